using DataLayer.Formats;
using DataLayer.TestKit.Nfs;

namespace DataLayer.Sources.Tests.Nfs;

public sealed class NfsReadTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Random_ranges_of_a_large_file_read_as_written_by_many_readers_at_once(int version)
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        byte[] content = TestSources.Bytes(random, (20 << 20) + 12345);
        File.WriteAllBytes(server.Export + "/large", content);
        await using ISource source = SourceFactory.Open(server.Uri(version), new SourceOptions());
        SourceEntry entry = (await TestSources.ListAsync(source))["large"];
        (int Offset, int Length)[] ranges = [.. Enumerable.Range(0, 60).Select(i =>
        {
            int offset = random.Next(content.Length);
            return (offset, Math.Min(content.Length - offset, random.Next(1, i % 3 == 0 ? 8 << 20 : 70_000)));
        }), (0, content.Length), (content.Length - 1, 1), (0, 1)];
        await Parallel.ForEachAsync(ranges, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (range, _) =>
        {
            byte[] bytes = await TestSources.ReadAsync(source, entry, range.Offset, range.Length);
            Assert.True(content.AsSpan(range.Offset, range.Length).SequenceEqual(bytes), $"seed {seed}: wrong bytes at {range}");
        });
    }

    [Fact]
    public async Task A_file_that_changed_since_it_was_listed_is_never_read()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        byte[] large = TestSources.Bytes(new Random(1), 3 << 20);
        string[] changes = ["removed", "renamed", "rewritten", "appended", "directory", "link", "moved"];
        foreach (string change in changes)
        {
            foreach (string directory in (string[])[$"/{change}", $"/{change}-copy"])
            {
                Directory.CreateDirectory(server.Export + directory);
                File.WriteAllText($"{server.Export}{directory}/small", "old content");
                File.WriteAllBytes($"{server.Export}{directory}/large", large);
            }
        }
        ISource[] sources = [SourceFactory.Open(server.Uri(3), new SourceOptions()), SourceFactory.Open(server.Uri(4), new SourceOptions())];
        List<Dictionary<string, SourceEntry>> listings = [];
        foreach (ISource source in sources)
        {
            listings.Add(await TestSources.ListAsync(source));
            // Handles of what is about to change are remembered now.
            foreach (string change in changes) await TestSources.ReadAsync(source, listings[^1][$"{change}/large"], 0, 10);
        }

        foreach (string change in changes)
            foreach (string name in (string[])["small", "large"]) Change(change, $"{server.Export}/{change}/{name}");
        Directory.Delete(server.Export + "/moved", recursive: true);
        Directory.CreateSymbolicLink(server.Export + "/moved", "moved-copy");

        for (int i = 0; i < sources.Length; i++)
        {
            foreach (string change in changes)
            {
                foreach (string name in (string[])["small", "large"])
                {
                    SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(sources[i], listings[i][$"{change}/{name}"]));
                    Assert.True(e.Fault == SourceFault.Changed, $"{change}: {e.Message}");
                    Assert.Contains($"{change}/{name} in nfs://", e.Message);
                }
                Assert.Equal("old content"u8.ToArray(), await TestSources.ReadAsync(sources[i], listings[i][$"{change}-copy/small"]));
            }
            await sources[i].DisposeAsync();
        }
    }

    static void Change(string change, string path)
    {
        DateTime mtime = File.GetLastWriteTimeUtc(path);
        long size = new FileInfo(path).Length;
        switch (change)
        {
            case "removed":
                File.Delete(path);
                break;
            case "renamed":
                File.Move(path, path + "-new");
                break;
            case "rewritten":
                File.WriteAllBytes(path, new byte[size]);
                File.SetLastWriteTimeUtc(path, mtime);
                break;
            case "appended":
                File.AppendAllText(path, "x");
                break;
            case "directory":
                File.Delete(path);
                Directory.CreateDirectory(path);
                break;
            case "link":
                File.Delete(path);
                File.CreateSymbolicLink(path, path.Replace("/link/", "/link-copy/", StringComparison.Ordinal));
                break;
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_file_is_still_read_after_its_directory_was_renamed_while_its_version_is_there(int version)
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        Directory.CreateDirectory(server.Export + "/a");
        File.WriteAllText(server.Export + "/a/f", "text");
        await using ISource source = SourceFactory.Open(server.Uri(version), new SourceOptions());
        SourceEntry entry = (await TestSources.ListAsync(source))["a/f"];
        Directory.Move(server.Export + "/a", server.Export + "/b");
        Assert.Equal("text"u8.ToArray(), await TestSources.ReadAsync(source, entry));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_file_rewritten_all_the_time_never_reads_as_a_mixture(int version)
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        string path = server.Export + "/f";
        const int Size = 3 << 20;
        File.WriteAllBytes(path, new byte[Size]);
        await using ISource source = SourceFactory.Open(server.Uri(version), new SourceOptions());
        SourceEntry entry = (await TestSources.ListAsync(source))["f"];
        byte[] bytes = new byte[Size];
        int reads = 0;
        bool changed = false;
        using Barrier start = new(2);
        Task writing = Task.Run(() =>
        {
            start.SignalAndWait();
            for (byte generation = 1; generation < 100; generation++)
            {
                using FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                byte[] content = new byte[Size];
                content.AsSpan().Fill(generation);
                stream.Write(content);
            }
        });
        start.SignalAndWait();
        while (!changed)
        {
            try
            {
                await source.ReadAsync(TestSources.File(entry), 0, bytes, CancellationToken.None);
                reads++;
                Assert.True(bytes.AsSpan().IndexOfAnyExcept((byte)0) < 0, $"read {reads} holds bytes of another version");
            }
            catch (SourceException e) when (e.Fault == SourceFault.Changed)
            {
                changed = true;
            }
        }
        await writing;
        await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entry));
    }

    [Fact]
    public async Task A_file_changed_just_now_is_listed_and_read_once_it_is_at_rest()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        File.WriteAllText(server.Export + "/f", "first");
        await using ISource source = SourceFactory.Open(server.Uri(3), new SourceOptions());
        Task<Dictionary<string, SourceEntry>> listing = TestSources.ListAsync(source);
        File.WriteAllText(server.Export + "/f", "second, and longer");
        SourceEntry entry = (await listing)["f"];
        Assert.Equal("second, and longer"u8.ToArray(), await TestSources.ReadAsync(source, entry));
    }

    [Fact]
    public async Task A_version_tag_of_another_kind_of_source_is_refused()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        await using ISource source = SourceFactory.Open(server.Uri(4), new SourceOptions());
        SourceException e = await Assert.ThrowsAsync<SourceException>(async () => await source.ReadAsync(new SourceFile("f"u8.ToArray(), 1, [1, 2, 3]), 0, new byte[1], CancellationToken.None));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
        e = await Assert.ThrowsAsync<SourceException>(async () => await source.ReadAsync(new SourceFile("../f"u8.ToArray(), 1, new byte[16]), 0, new byte[1], CancellationToken.None));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
    }
}
