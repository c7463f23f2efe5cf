using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class DatasetPolicyTests
{
    const int PackTarget = 1 << 20;

    static FakeSnapshot Snapshot(int seed, int files) => new(seed, [.. Enumerable.Repeat(50_000, files), 3 << 20], PackTarget);

    static DatasetReader Open(BlockStore store, FakeSnapshot snapshot, string name) =>
        new(store, snapshot, [new FakeSource()], new DatasetOptions { Name = name });

    static async Task ReadAllAsync(BlockStore store, DatasetReader reader, FakeSnapshot snapshot)
    {
        foreach (FileLocation file in snapshot.Files)
            Assert.Equal(snapshot.Content(file, 0, (int)file.Length), await DatasetReaderTests.ReadAsync(reader, file, 0, (int)file.Length));
        await Wait.Until(() => reader.Queue.IsIdle, "background filling ends");
        await store.Writer.FlushAsync(CancellationToken.None);
    }

    static long Cached(DatasetReader reader, FakeSnapshot snapshot) => snapshot.Files.Sum(f => reader.CachedBytes(f));

    [Fact]
    public async Task A_dataset_at_its_quota_keeps_what_it_has_and_a_new_snapshot_replaces_the_old_one()
    {
        using CacheFolder folder = new();
        FakeSnapshot old = Snapshot(60, 200), current = Snapshot(61, 200);
        await using BlockStore store = await folder.OpenAsync(capacity: 100 << 20);
        const long quota = 6 << 20;
        Assert.Null(store.SetPolicy("set", new DatasetPolicy { Quota = quota }));
        DatasetReader reader = Open(store, old, "set");
        await ReadAllAsync(store, reader, old);
        long cached = Cached(reader, old);
        Assert.InRange(store.Space.Used, quota - 3 * PackTarget, quota);
        await ReadAllAsync(store, reader, old);
        Assert.Equal(cached, Cached(reader, old));
        Assert.Equal(0, store.Statistics.Evictions);
        // The next snapshot has to live within the same quota: the old one's blocks go once nobody reads it.
        await reader.DisposeAsync();
        await using DatasetReader next = Open(store, current, "set");
        await ReadAllAsync(store, next, current);
        Assert.InRange(store.Space.Used, 1, quota);
        Assert.InRange(Cached(next, current), quota / 2, quota);
    }

    [Fact]
    public async Task A_quota_that_is_lowered_evicts_at_once_and_holds_after_a_restart()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = Snapshot(62, 200), other = Snapshot(63, 50);
        await using (BlockStore store = await folder.OpenAsync(capacity: 100 << 20))
        {
            await using DatasetReader reader = Open(store, snapshot, "set"), beside = Open(store, other, "other");
            await ReadAllAsync(store, reader, snapshot);
            await ReadAllAsync(store, beside, other);
            Assert.Equal(snapshot.TotalBytes, Cached(reader, snapshot));
            Assert.Null(store.SetPolicy("set", new DatasetPolicy { Quota = 5 << 20 }));
            await Wait.Until(() => store.Space.Used <= (5 << 20) + other.TotalBytes * 11 / 10, "what is over the quota is gone");
            Assert.Equal(other.TotalBytes, Cached(beside, other));
            await ReadAllAsync(store, reader, snapshot);
            Assert.InRange(Cached(reader, snapshot), 1 << 20, 5 << 20);
        }
        await using BlockStore again = await BlockStore.OpenAsync(new BlockStoreOptions
        {
            Directory = folder.Cache,
            Capacity = 100 << 20,
            DiskReserve = 0,
            Policies = new Dictionary<string, DatasetPolicy> { ["set"] = new() { Quota = 2 << 20 } },
        }, CancellationToken.None);
        await using DatasetReader after = Open(again, snapshot, "set");
        await ReadAllAsync(again, after, snapshot);
        Assert.InRange(Cached(after, snapshot), 1, 2 << 20);
    }

    [Fact]
    public async Task Pins_beyond_the_quota_or_the_store_are_refused_and_change_nothing()
    {
        using CacheFolder folder = new();
        await using BlockStore store = await folder.OpenAsync(capacity: 10 << 20);
        Assert.Contains("quota", store.SetPolicy("a", new DatasetPolicy { Quota = 5 << 20, PinnedBytes = 6 << 20 }));
        Assert.Null(store.SetPolicy("a", new DatasetPolicy { PinnedBytes = 6 << 20 }));
        string? refusal = store.SetPolicy("b", new DatasetPolicy { PinnedBytes = 5 << 20 });
        Assert.Contains("dataset b", refusal);
        Assert.Contains("unpin", refusal);
        Assert.Null(store.SetPolicy("a", new DatasetPolicy { PinnedBytes = 1 << 20 }));
        Assert.Null(store.SetPolicy("b", new DatasetPolicy { PinnedBytes = 5 << 20 }));
        Assert.NotNull(store.SetPolicy("a", new DatasetPolicy { PinnedBytes = -1 }));
        Assert.NotNull(store.SetPolicy("a", new DatasetPolicy { Quota = -1 }));
    }

    [Fact]
    public async Task A_scan_through_a_full_store_leaves_a_pinned_dataset_whole()
    {
        using CacheFolder folder = new();
        FakeSnapshot small = Snapshot(64, 40), big = Snapshot(65, 400);
        await using BlockStore store = await folder.OpenAsync(capacity: 12 << 20);
        Assert.Null(store.SetPolicy("small", new DatasetPolicy { PinnedBytes = 6 << 20 }));
        await using (DatasetReader reader = Open(store, small, "small")) await ReadAllAsync(store, reader, small);
        await using (DatasetReader scan = Open(store, big, "big")) await ReadAllAsync(store, scan, big);
        await using DatasetReader again = Open(store, small, "small");
        Assert.Equal(small.TotalBytes, Cached(again, small));
    }
}
