using DataLayer.Formats;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Cache.Tests;

public sealed class EvictionTests(ITestOutputHelper output)
{
    const int PackTarget = 1 << 20;

    static DatasetReader Open(BlockStore store, FakeSnapshot snapshot, FakeSource source, string name, double weight = 1) =>
        new(store, snapshot, [source], new DatasetOptions { Name = name, Weight = weight });

    /// <summary>Reads every file whole once, in a fresh random order, with 8 readers, checking every byte.</summary>
    static async Task EpochAsync(BlockStore store, DatasetReader reader, FakeSnapshot snapshot, int seed)
    {
        int[] order = [.. Enumerable.Range(0, snapshot.Files.Count)];
        new Random(seed).Shuffle(order);
        int next = -1;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < order.Length;)
            {
                FileLocation file = snapshot.Files[order[i]];
                Assert.Equal(snapshot.Content(file, 0, (int)file.Length), await DatasetReaderTests.ReadAsync(reader, file, 0, (int)file.Length));
            }
        })));
        await Wait.Until(() => reader.Queue.IsIdle, "background filling ends");
        await store.Writer.FlushAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.3)]
    public async Task Epochs_over_a_dataset_larger_than_the_cache_hit_what_is_cached_and_fetch_only_the_rest(double fraction)
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(10, FakeSnapshot.LogNormal(3000, 10, scale: 0.25), PackTarget);
        long capacity = (long)(snapshot.TotalBytes * fraction);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync(capacity);
        await using DatasetReader reader = Open(store, snapshot, source, "set");
        await EpochAsync(store, reader, snapshot, 0);
        // The last pack that would have to fit does not: packs are admitted whole. Which files are in the packs that are
        // cached is chance, so files are compared with those, and bytes with the space.
        double usable = (double)(capacity - 4 * PackTarget) / snapshot.TotalBytes;
        for (int epoch = 1; epoch <= 3; epoch++)
        {
            ReadCounters before = reader.Counters;
            double filesCached = (double)snapshot.Files.Count(f => reader.CachedBytes(f) == f.Length) / snapshot.Files.Count;
            long cached = snapshot.Files.Sum(f => reader.CachedBytes(f));
            long sent = source.Bytes;
            await EpochAsync(store, reader, snapshot, epoch);
            double hitRate = (double)(reader.Counters.Hits - before.Hits) / snapshot.Files.Count;
            double byteRate = (double)(reader.Counters.BytesFromCache - before.BytesFromCache) / snapshot.TotalBytes;
            double sourceRatio = (double)(source.Bytes - sent) / (snapshot.TotalBytes - cached);
            output.WriteLine($"cache {fraction:P0}, epoch {epoch}: files hit {hitRate / fraction:F3} and bytes hit {byteRate / fraction:F3} of the ideal; source bytes {sourceRatio:F3} of dataset - cached; used {store.Space.Used} of {capacity}");
            Assert.True(hitRate >= 0.95 * filesCached, $"file hit rate {hitRate} of {filesCached}");
            Assert.True(byteRate >= 0.95 * usable, $"byte hit rate {byteRate} of {usable}");
            Assert.True(sourceRatio <= 1.05, $"source ratio {sourceRatio}");
            Assert.InRange(store.Space.Used, 0, capacity);
            Assert.InRange(DiskUse(folder.Cache), 0, capacity);
        }
        Assert.Equal(0, store.Statistics.Evictions);
    }

    static long DiskUse(string cache) => Directory.EnumerateFiles(Path.Combine(cache, "blocks"), "*", SearchOption.AllDirectories).Sum(Allocated);

    static long Allocated(string file)
    {
        using System.Diagnostics.Process stat = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%b", file]) { RedirectStandardOutput = true })!;
        return long.Parse(stat.StandardOutput.ReadToEnd()) * 512;
    }

    [Fact]
    public async Task A_file_that_is_not_admitted_is_fetched_once_though_read_in_pieces_by_several_readers()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(11, [1_000_000, 900_000, 5 << 20], PackTarget);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync(capacity: 100_000);
        await using DatasetReader reader = Open(store, snapshot, source, "set");
        await Task.WhenAll(Enumerable.Range(0, 3).SelectMany(_ => snapshot.Files).Select(file => Task.Run(async () =>
        {
            for (long at = 0; at < file.Length; at += 128 << 10)
                Assert.Equal(snapshot.Content(file, at, 128 << 10), await DatasetReaderTests.ReadAsync(reader, file, at, 128 << 10));
        })));
        Assert.Equal(snapshot.TotalBytes, source.Bytes);
        Assert.InRange(store.Space.Used, 0, 8192); // The large file's sidecar at most.
    }

    [Fact]
    public async Task An_idle_dataset_gives_way_least_recently_used_first()
    {
        using CacheFolder folder = new();
        FakeSnapshot[] sets = [.. Enumerable.Range(0, 3).Select(i => new FakeSnapshot(20 + i, [.. Enumerable.Repeat(50_000, 100)], PackTarget))];
        FakeSource source = new();
        // Room for two of the three datasets.
        await using BlockStore store = await folder.OpenAsync(capacity: sets[0].TotalBytes * 22 / 10);
        for (int i = 0; i < 2; i++)
        {
            await using DatasetReader reader = Open(store, sets[i], source, $"set{i}");
            await EpochAsync(store, reader, sets[i], i);
        }
        await using DatasetReader third = Open(store, sets[2], source, "set2");
        await EpochAsync(store, third, sets[2], 2);
        Assert.Equal(sets[2].TotalBytes, sets[2].Files.Sum(f => third.CachedBytes(f)));
        await using DatasetReader first = Open(store, sets[0], source, "set0");
        await using DatasetReader second = Open(store, sets[1], source, "set1");
        Assert.Equal(sets[1].TotalBytes, sets[1].Files.Sum(f => second.CachedBytes(f)));
        Assert.InRange(sets[0].Files.Sum(f => first.CachedBytes(f)), 0, sets[0].TotalBytes * 3 / 10);
    }

    [Fact]
    public async Task Superseded_blocks_give_way_before_another_idle_dataset()
    {
        using CacheFolder folder = new();
        FakeSnapshot idle = new(30, [.. Enumerable.Repeat(50_000, 100)], PackTarget);
        FakeSnapshot old = new(31, [.. Enumerable.Repeat(50_000, 100)], PackTarget), current = new(32, [.. Enumerable.Repeat(50_000, 100)], PackTarget);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync(capacity: idle.TotalBytes * 22 / 10);
        await using (DatasetReader reader = Open(store, idle, source, "idle")) await EpochAsync(store, reader, idle, 0);
        DatasetReader oldReader = Open(store, old, source, "set");
        await EpochAsync(store, oldReader, old, 1);
        await using DatasetReader currentReader = Open(store, current, source, "set");
        await EpochAsync(store, currentReader, current, 2);
        Assert.Equal(old.TotalBytes, old.Files.Sum(f => oldReader.CachedBytes(f))); // Still mounted: not superseded; "idle" went.
        await oldReader.DisposeAsync();
        await using DatasetReader idleReader = Open(store, idle, source, "idle");
        long sent = source.Bytes;
        await EpochAsync(store, idleReader, idle, 3);
        await EpochAsync(store, currentReader, current, 4);
        // What "idle" had lost it got back from the superseded snapshot, not from the current one.
        Assert.Equal(current.TotalBytes, current.Files.Sum(f => currentReader.CachedBytes(f)));
        Assert.Equal(idle.TotalBytes, idle.Files.Sum(f => idleReader.CachedBytes(f)));
        Assert.True(source.Bytes - sent <= idle.TotalBytes);
    }

    [Fact]
    public async Task Active_datasets_share_the_cache_by_weight_and_then_leave_each_other_alone()
    {
        using CacheFolder folder = new();
        FakeSnapshot a = new(40, [.. Enumerable.Repeat(50_000, 800)], PackTarget), b = new(41, [.. Enumerable.Repeat(50_000, 800)], PackTarget);
        FakeSource source = new();
        long capacity = a.TotalBytes;
        await using BlockStore store = await folder.OpenAsync(capacity);
        await using DatasetReader readerA = Open(store, a, source, "a", weight: 1);
        await EpochAsync(store, readerA, a, 0);
        await using DatasetReader readerB = Open(store, b, source, "b", weight: 3);
        for (int epoch = 0; epoch < 2; epoch++)
        {
            await EpochAsync(store, readerB, b, 1 + epoch);
            await EpochAsync(store, readerA, a, 10 + epoch);
        }
        double shareB = (double)b.Files.Sum(f => readerB.CachedBytes(f)) / capacity, shareA = (double)a.Files.Sum(f => readerA.CachedBytes(f)) / capacity;
        output.WriteLine($"shares: weight 1 has {shareA:P1}, weight 3 has {shareB:P1}");
        Assert.InRange(shareB, 0.65, 0.76);
        Assert.InRange(shareA, 0.17, 0.30);
        long evictions = store.Statistics.Evictions;
        for (int epoch = 0; epoch < 2; epoch++)
        {
            await EpochAsync(store, readerA, a, 20 + epoch);
            await EpochAsync(store, readerB, b, 30 + epoch);
        }
        Assert.Equal(evictions, store.Statistics.Evictions);
    }
}
