using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class LargeFileTests
{
    static DatasetReader Open(BlockStore store, FakeSnapshot snapshot, FakeSource source) =>
        new(store, snapshot, [source], new DatasetOptions { Name = "set" });

    static async Task ReadAllAsync(DatasetReader reader, FakeSnapshot snapshot, int piece)
    {
        FileLocation file = snapshot.Files[0];
        for (long at = 0; at < file.Length; at += piece)
        {
            byte[] bytes = await DatasetReaderTests.ReadAsync(reader, file, at, piece);
            Assert.True(snapshot.Content(file, at, piece).AsSpan().SequenceEqual(bytes), $"at {at}");
        }
    }

    [Fact]
    public async Task A_file_larger_than_the_cache_is_cached_as_far_as_there_is_room()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(80, [80 << 20]);
        FakeSource source = new();
        long capacity = 50 << 20;
        await using BlockStore store = await folder.OpenAsync(capacity);
        await using (DatasetReader reader = Open(store, snapshot, source))
        {
            await ReadAllAsync(reader, snapshot, 1 << 20);
            await Wait.Until(() => reader.Queue.IsIdle, "read-ahead ends");
            await store.Writer.FlushAsync(CancellationToken.None);
            long cached = reader.CachedBytes(snapshot.Files[0]);
            Assert.InRange(cached, 48 << 20, capacity);
            Assert.InRange(store.Space.Used, cached, capacity);
            long before = source.Bytes;
            await ReadAllAsync(reader, snapshot, 1 << 20);
            Assert.InRange(source.Bytes - before, 0, snapshot.TotalBytes - cached);
            Assert.False(reader.TryOpenComplete(snapshot.Files[0], out _));
        }
        // What was admitted of it is known again from the sidecar.
        long used = store.Space.Used;
        await store.DisposeAsync();
        await using BlockStore again = await folder.OpenAsync(capacity);
        Assert.Equal(used, again.Space.Used);
    }

    [Fact]
    public async Task A_complete_file_is_handed_over_after_it_was_checked_and_not_evicted_while_in_use()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(81, [5_000_000]), other = new(82, [5_500_000]);
        FileLocation file = snapshot.Files[0];
        FakeSource source = new();
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = Open(store, snapshot, source))
        {
            await ReadAllAsync(reader, snapshot, 300_000);
            await store.Writer.FlushAsync(CancellationToken.None);
            Assert.True(reader.TryOpenComplete(file, out CompleteFile? complete));
            using (complete) Assert.Equal(snapshot.Content(file, 0, 5_000_000), ReadPlainly(complete, 5_000_000));
        }
        await using (BlockStore store = await folder.OpenAsync(capacity: 6_000_000))
        {
            CompleteFile? complete;
            await using (DatasetReader reader = Open(store, snapshot, source))
            {
                Assert.False(reader.TryOpenComplete(file, out complete));
                Assert.True(await reader.VerifyAsync(file, CancellationToken.None));
                Assert.True(reader.TryOpenComplete(file, out complete));
            }
            // Idle now, and the other needs its room: it stays until it is let go.
            await using DatasetReader otherReader = new(store, other, [source], new DatasetOptions { Name = "other" });
            await ReadAllAsync(otherReader, other, 1 << 20);
            Assert.Equal(snapshot.Content(file, 0, 5_000_000), ReadPlainly(complete, 5_000_000));
            Assert.Equal(0, otherReader.CachedBytes(other.Files[0]));
            complete.Dispose();
            await ReadAllAsync(otherReader, other, 1 << 20);
            await Wait.Until(() => otherReader.CachedBytes(other.Files[0]) == 5_500_000, "the other is cached");
        }
    }

    static byte[] ReadPlainly(CompleteFile complete, int length)
    {
        byte[] bytes = new byte[length];
        int read = RandomAccess.Read(complete.Handle, bytes, 0);
        return bytes[..read];
    }

    [Fact]
    public async Task A_file_with_a_bad_unit_is_not_handed_over()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(83, [5_000_000]);
        FileLocation file = snapshot.Files[0];
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = Open(store, snapshot, new FakeSource()))
            await reader.WarmAsync([file.Entry], null, CancellationToken.None);
        await DiskFaultTests.FlipAsync(new StorePaths(folder.Cache).Data(file.BlockFile), 3_333_333, new Random(1));
        await using BlockStore damaged = await folder.OpenAsync();
        await using DatasetReader again = Open(damaged, snapshot, new FakeSource());
        Assert.False(await again.VerifyAsync(file, CancellationToken.None));
        Assert.False(again.TryOpenComplete(file, out _));
        await again.WarmAsync([file.Entry], null, CancellationToken.None);
        Assert.True(await again.VerifyAsync(file, CancellationToken.None));
        Assert.True(again.TryOpenComplete(file, out CompleteFile? complete));
        using (complete) Assert.Equal(snapshot.Content(file, 0, 5_000_000), ReadPlainly(complete, 5_000_000));
    }

    [Fact]
    public async Task Eight_readers_of_one_file_cause_one_fetch_of_it()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(84, [60 << 20]);
        FakeSource source = new() { Before = (_, cancellation) => Task.Delay(2, cancellation) };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = Open(store, snapshot, source);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => ReadAllAsync(reader, snapshot, 128 << 10))));
        Assert.Equal(snapshot.TotalBytes, source.Bytes);
    }
}
