using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Fuse;
using DataLayer.Fuse.Tests;
using DataLayer.TestKit;
using Xunit;

namespace DataLayer.FuseFs.Tests;

/// <summary>The filesystem without a kernel: random operations in the kernel's own messages against a tree in memory.</summary>
public sealed class DatasetFileSystemTests : IDisposable
{
    readonly ScratchDirectory scratch = new();
    readonly ModelSource model = new();
    int snapshots;
    ulong unique;

    BlockStore store = null!;
    DatasetFileSystem files = null!;
    FakeWorker worker = null!;

    async Task MountAsync()
    {
        store = await BlockStore.OpenAsync(scratch.File("cache"), 256 << 20, CancellationToken.None);
        files = new DatasetFileSystem(await SnapshotAsync(), new AttributeView(new AttributeOptions()), xattr: true, openFiles: null, follows: true, waitingReads: 4);
        worker = new FakeWorker(files);
    }

    async Task<MountedSnapshot> SnapshotAsync()
    {
        Manifest manifest = await ManifestBuilder.BuildAsync([(model, "")], scratch.File($"m{snapshots}"), new ManifestBuildOptions(), null, CancellationToken.None);
        DatasetReader reader = new(store, manifest, [model], new DatasetOptions { Name = "model", ReadDeadline = TimeSpan.FromSeconds(2) });
        return new MountedSnapshot(manifest, reader) { TakenUtc = DateTime.UtcNow, Generation = snapshots++ };
    }

    async Task UnmountAsync()
    {
        await files.CloseAsync();
        await store.DisposeAsync();
    }

    async Task<SentAnswer> CallAsync(byte[] message)
    {
        worker.Receive(message);
        // A deferred answer comes from the thread that fetched.
        while (true)
        {
            if (worker.Answers.TryDequeue(out SentAnswer? answer))
            {
                Assert.Equal(unique, answer.Unique);
                return answer;
            }

            await Task.Delay(1);
        }
    }

    static T As<T>(SentAnswer answer) where T : unmanaged => MemoryMarshal.Read<T>(answer.Bytes);

    async Task<FuseEntryOut?> WalkAsync(string path)
    {
        ulong node = 1;
        FuseEntryOut entry = default;
        foreach (string name in path.Split('/'))
        {
            SentAnswer answer = await CallAsync(KernelMessage.Create(FuseOpcode.Lookup, ++unique, node, Encoding.UTF8.GetBytes(name + "\0")));
            Assert.Equal(Errno.None, answer.Error);
            entry = As<FuseEntryOut>(answer);
            node = entry.NodeId.Value;
            if (node == 0) return null;
        }

        return entry;
    }

    async Task<SentAnswer> ReadAsync(ulong node, long offset, int size) =>
        await CallAsync(KernelMessage.Create(FuseOpcode.Read, ++unique, node, new FuseReadIn { Offset = (ulong)offset, Size = (uint)size }));

    /// <summary>All names of a directory, listed in pages of random size.</summary>
    async Task<List<string>> ListAsync(ulong node, bool plus, Random random)
    {
        List<string> names = [];
        ulong offset = 0;
        while (true)
        {
            SentAnswer answer = await CallAsync(KernelMessage.Create(plus ? FuseOpcode.ReadDirPlus : FuseOpcode.ReadDir, ++unique, node, new FuseReadIn { Offset = offset, Size = (uint)random.Next(512, 8192) }));
            Assert.Equal(Errno.None, answer.Error);
            if (answer.Bytes.Length == 0) return names;
            for (int at = 0; at < answer.Bytes.Length;)
            {
                if (plus) at += Marshal.SizeOf<FuseEntryOut>();
                ulong next = BitConverter.ToUInt64(answer.Bytes, at + 8);
                int length = BitConverter.ToInt32(answer.Bytes, at + 16);
                names.Add(Encoding.UTF8.GetString(answer.Bytes, at + 24, length));
                at += (24 + length + 7) & ~7;
                offset = next;
            }
        }
    }

    void Fill(Random random, int count)
    {
        for (int i = 0; i < count; i++)
        {
            string path = string.Join('/', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"d{random.Next(4)}")) + $"/f{random.Next(500)}";
            byte[] content = new byte[random.Next(8) switch { 0 => 0, 1 => random.Next(3_000_000), _ => random.Next(20_000) }];
            random.NextBytes(content);
            model.Put(path, content);
        }

        for (int i = 0; i < 5; i++) model.Entries[$"d{i % 4}/link{i}"] = null;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Random_operations_agree_with_the_tree_they_were_made_from(int seed)
    {
        Random random = new(seed);
        Fill(random, 150);
        await MountAsync();
        for (int step = 0; step < 1500; step++)
        {
            string path = model.Entries.Keys.ElementAt(random.Next(model.Entries.Count));
            byte[]? content = model.Entries[path];
            switch (random.Next(6))
            {
                case 0:
                    string missing = path + "-missing";
                    Assert.Null(await WalkAsync(missing));
                    break;
                case 1:
                    string directory = path[..path.LastIndexOf('/')];
                    ulong node = (await WalkAsync(directory))!.Value.NodeId.Value;
                    string[] expected = model.Entries.Keys.Where(key => key.StartsWith(directory + "/", StringComparison.Ordinal))
                        .Select(key => key[(directory.Length + 1)..].Split('/')[0]).Distinct().Concat([".", ".."]).Order(StringComparer.Ordinal).ToArray();
                    Assert.Equal(expected, (await ListAsync(node, random.Next(2) == 0, random)).Order(StringComparer.Ordinal));
                    break;
                default:
                    FuseEntryOut entry = (await WalkAsync(path))!.Value;
                    if (content is null)
                    {
                        SentAnswer link = await CallAsync(KernelMessage.Create(FuseOpcode.ReadLink, ++unique, entry.NodeId.Value, []));
                        Assert.Equal("target of " + path, Encoding.UTF8.GetString(link.Bytes));
                        break;
                    }

                    Assert.Equal((ulong)content.Length, entry.Attr.Size);
                    Assert.Equal((1_700_000_000ul, 123_456_789u, 7u, 8u, 0x81A4u), (entry.Attr.MTime, entry.Attr.MTimeNsec, entry.Attr.Uid, entry.Attr.Gid, entry.Attr.Mode));
                    long offset = random.Next(content.Length + 2);
                    int size = random.Next(1, 1 << random.Next(8, 20));
                    SentAnswer read = await ReadAsync(entry.NodeId.Value, offset, size);
                    Assert.True(read.Error == Errno.None, $"seed {seed} step {step}: {read.Error} for {path} at {offset}");
                    byte[] wanted = offset >= content.Length ? [] : content.AsSpan((int)offset, (int)Math.Min(size, content.Length - offset)).ToArray();
                    Assert.True(wanted.AsSpan().SequenceEqual(read.Bytes), $"seed {seed} step {step}: other bytes for {path} at {offset}, {size}");
                    break;
            }
        }

        await UnmountAsync();
    }

    [Fact]
    public async Task After_a_switch_lookups_see_the_new_tree_and_held_nodes_the_old_bytes()
    {
        Random random = new(9);
        Fill(random, 60);
        model.Put("d0/kept", [1, 2, 3]);
        model.Put("d0/cached", [4, 5, 6]);
        // Too large for a pack, so that reading "cached" does not fetch it along.
        byte[] large = new byte[2 << 20];
        model.Put("d0/uncached", large);
        await MountAsync();
        ulong kept = (await WalkAsync("d0/kept"))!.Value.NodeId.Value, cached = (await WalkAsync("d0/cached"))!.Value.NodeId.Value, uncached = (await WalkAsync("d0/uncached"))!.Value.NodeId.Value;
        Assert.Equal([4, 5, 6], (await ReadAsync(cached, 0, 100)).Bytes);

        model.Put("d0/cached", [7, 8, 9]);
        model.Put("d0/uncached", [1]);
        model.Put("d0/added", [2]);
        model.Entries.Remove("d3/link3");
        files.Switch(await SnapshotAsync());

        Assert.Equal(kept, (await WalkAsync("d0/kept"))!.Value.NodeId.Value);
        ulong renewed = (await WalkAsync("d0/cached"))!.Value.NodeId.Value;
        Assert.NotEqual(cached, renewed);
        Assert.Equal([7, 8, 9], (await ReadAsync(renewed, 0, 100)).Bytes);
        Assert.Equal([4, 5, 6], (await ReadAsync(cached, 0, 100)).Bytes);
        Assert.Equal(Errno.ESTALE, (await ReadAsync(uncached, 0, 100)).Error);
        Assert.NotNull(await WalkAsync("d0/added"));
        Assert.Null(await WalkAsync("d3/link3"));
        await UnmountAsync();
    }

    [Fact]
    public async Task A_listing_goes_on_in_the_snapshot_it_began_in()
    {
        for (int i = 0; i < 200; i++) model.Put($"dir/old-{i:000}", [1]);
        await MountAsync();
        ulong directory = (await WalkAsync("dir"))!.Value.NodeId.Value;
        SentAnswer first = await CallAsync(KernelMessage.Create(FuseOpcode.ReadDir, ++unique, directory, new FuseReadIn { Size = 1024 }));
        (int seen, ulong offset) = Count(first.Bytes);
        foreach (string key in model.Entries.Keys.ToArray()) model.Entries.Remove(key);
        for (int i = 0; i < 50; i++) model.Put($"dir/new-{i:000}", [1]);
        files.Switch(await SnapshotAsync());
        while (true)
        {
            SentAnswer page = await CallAsync(KernelMessage.Create(FuseOpcode.ReadDir, ++unique, directory, new FuseReadIn { Offset = offset, Size = 1024 }));
            Assert.Equal(Errno.None, page.Error);
            if (page.Bytes.Length == 0) break;
            Assert.DoesNotContain("new-", Encoding.UTF8.GetString(page.Bytes));
            (int more, offset) = Count(page.Bytes);
            seen += more;
        }

        Assert.Equal(202, seen);
        Assert.Equal(52, (await ListAsync(directory, plus: true, new Random(1))).Count);
        await UnmountAsync();

        static (int Count, ulong Offset) Count(byte[] page)
        {
            int count = 0;
            ulong offset = 0;
            for (int at = 0; at < page.Length; count++)
            {
                offset = BitConverter.ToUInt64(page, at + 8);
                at += (24 + BitConverter.ToInt32(page, at + 16) + 7) & ~7;
            }

            return (count, offset);
        }
    }

    [Fact]
    public async Task Snapshots_beyond_those_kept_are_released_and_their_nodes_stale()
    {
        model.Put("file", [0]);
        await MountAsync();
        ulong first = (await WalkAsync("file"))!.Value.NodeId.Value;
        MountedSnapshot oldest = files.Current;
        for (byte i = 1; i <= 8; i++)
        {
            model.Put("file", [i]);
            files.Switch(await SnapshotAsync());
        }

        await oldest.Closed.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(Errno.ESTALE, (await ReadAsync(first, 0, 10)).Error);
        await UnmountAsync();
    }

    [Fact]
    public async Task Nodes_and_offsets_that_never_existed_are_answered_with_errors()
    {
        model.Put("dir/file", [1, 2, 3]);
        await MountAsync();
        ulong file = (await WalkAsync("dir/file"))!.Value.NodeId.Value, directory = (await WalkAsync("dir"))!.Value.NodeId.Value;
        Assert.Equal(Errno.ESTALE, (await ReadAsync(0xDEADBEEF, 0, 10)).Error);
        Assert.Equal(Errno.EISDIR, (await ReadAsync(directory, 0, 10)).Error);
        Assert.Empty((await ReadAsync(file, long.MaxValue, 10)).Bytes);
        Assert.Equal(Errno.EINVAL, (await CallAsync(KernelMessage.Create(FuseOpcode.ReadLink, ++unique, file, []))).Error);
        Assert.Equal(Errno.ENOTDIR, (await CallAsync(KernelMessage.Create(FuseOpcode.Lookup, ++unique, file, "x\0"u8))).Error);
        Assert.Equal(Errno.ENOTDIR, (await CallAsync(KernelMessage.Create(FuseOpcode.ReadDir, ++unique, file, new FuseReadIn { Size = 4096 }))).Error);
        Assert.Equal(Errno.ESTALE, (await CallAsync(KernelMessage.Create(FuseOpcode.ReadDir, ++unique, directory, new FuseReadIn { Offset = 77ul << 32 | 5, Size = 4096 }))).Error);
        SentAnswer past = await CallAsync(KernelMessage.Create(FuseOpcode.ReadDir, ++unique, directory, new FuseReadIn { Offset = 1_000_000, Size = 4096 }));
        Assert.Equal((Errno.None, 0), (past.Error, past.Bytes.Length));
        await UnmountAsync();
    }

    [Fact]
    public async Task A_source_that_is_away_costs_EIO_after_the_deadline_and_cached_files_nothing()
    {
        model.Put("dir/cached", [1]);
        model.Put("dir/other", new byte[3 << 20]);
        await MountAsync();
        ulong cached = (await WalkAsync("dir/cached"))!.Value.NodeId.Value, other = (await WalkAsync("dir/other"))!.Value.NodeId.Value;
        Assert.Equal([1], (await ReadAsync(cached, 0, 10)).Bytes);
        model.Served = null;
        Assert.Equal(Errno.EIO, (await ReadAsync(other, 0, 10)).Error);
        Assert.Equal([1], (await ReadAsync(cached, 0, 10)).Bytes);
        await UnmountAsync();
    }

    public void Dispose() => scratch.Dispose();
}
