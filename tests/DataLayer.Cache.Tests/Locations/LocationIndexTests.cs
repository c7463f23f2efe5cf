using System.Diagnostics;
using DataLayer.ClusterSimulation;
using DataLayer.Formats;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Cache.Tests;

public sealed class LocationIndexTests(ITestOutputHelper output)
{
    static SnapshotId Id(int number) => new(Digest.Of(BitConverter.GetBytes(number)));

    static long PackBytes(LocationIndex index, int snapshot) => index.Find(Id(snapshot)) ?? -1;

    [Fact]
    public void Random_changes_agree_with_plain_sums()
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        LocationIndex index = new();
        IBlockObserver store = index;
        SimulatedSnapshot[] snapshots = [.. Enumerable.Range(0, 5).Select(i => new SimulatedSnapshot(seed + i % 3, 100 + 50 * i, large: 5))];
        BlockFileId[] blocks = [.. snapshots.SelectMany(s => s.Blocks).Distinct()];
        HashSet<BlockFileId> large = [.. snapshots.SelectMany(s => s.Large)];
        Dictionary<BlockFileId, long> there = [];
        HashSet<int> tracked = [];
        for (int step = 0; step < 20_000; step++)
        {
            BlockFileId block = blocks[random.Next(blocks.Length)];
            switch (random.Next(100))
            {
                case < 50:
                    bool isLarge = large.Contains(block);
                    if (!isLarge && there.ContainsKey(block)) break;
                    long bytes = random.Next(1, 1000);
                    store.Changed(block, !isLarge, bytes);
                    there[block] = there.GetValueOrDefault(block) + bytes;
                    break;
                case < 90 when there.Remove(block):
                    store.Removed(block, !large.Contains(block));
                    break;
                case < 94:
                    int one = random.Next(snapshots.Length);
                    if (tracked.Add(one)) index.Track(Id(one), snapshots[one]);
                    else if (tracked.Remove(one)) index.Untrack(Id(one));
                    break;
                case 98 when random.Next(20) == 0:
                    store.Cleared();
                    there.Clear();
                    break;
            }
            if (step % 50 != 0) continue;
            Dictionary<SnapshotId, long> got = new(index.Read());
            Assert.Equal(tracked.Count, got.Count);
            foreach (int one in tracked)
                Assert.True(got[Id(one)] == there.Where(t => snapshots[one].Contains(t.Key)).Sum(t => t.Value), $"seed {seed}, step {step}, snapshot {one}");
        }
        Assert.Null(index.Find(Id(99)));
    }

    [Fact]
    public async Task A_store_tells_what_it_admits_evicts_and_finds_when_it_starts()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(70, [.. Enumerable.Repeat(50_000, 100), 20 << 20], 1 << 20), other = new(71, [.. Enumerable.Repeat(50_000, 100)], 1 << 20);
        await using (BlockStore store = await folder.OpenAsync(capacity: 100 << 20))
        {
            store.Locations.Track(Id(0), snapshot);
            await using DatasetReader reader = new(store, snapshot, [new FakeSource()], new DatasetOptions { Name = "set" });
            Assert.Equal(0, PackBytes(store.Locations, 0));
            byte[] bytes = new byte[50_000];
            foreach (FileLocation file in snapshot.Files.Where(f => f.IsPacked)) await reader.ReadAsync(file, 0, bytes, CancellationToken.None);
            Assert.Equal(100 * 50_000, PackBytes(store.Locations, 0));
            // A large file is admitted in steps of 16 MiB.
            await reader.ReadAsync(snapshot.Files[^1], 18 << 20, bytes, CancellationToken.None);
            await Wait.Until(() => PackBytes(store.Locations, 0) == 100 * 50_000 + (4 << 20) || PackBytes(store.Locations, 0) == 100 * 50_000 + (20 << 20), "a step is told");
            store.Locations.Track(Id(1), other);
            Assert.Equal(0, PackBytes(store.Locations, 1));
            await Wait.Until(() => reader.Queue.IsIdle, "background filling ends");
            await store.Writer.FlushAsync(CancellationToken.None);
        }
        await using BlockStore again = await folder.OpenAsync(capacity: 100 << 20);
        again.Locations.Track(Id(0), snapshot);
        Assert.InRange(PackBytes(again.Locations, 0), 100 * 50_000 + (4 << 20), snapshot.TotalBytes);
        Assert.Null(again.SetPolicy("set", new DatasetPolicy { Quota = 0 }));
        Assert.Equal(0, PackBytes(again.Locations, 0));
    }

    [Fact]
    public void Half_a_million_blocks_are_taken_in_and_asked_for()
    {
        // Of ten snapshots with 5 million files each. "ClusterSimulation location-index" measures the same with a real store.
        SimulatedSnapshot[] snapshots = [.. Enumerable.Range(0, 10).Select(i => new SimulatedSnapshot(i, 50_000, large: 100))];
        LocationIndex index = new();
        IBlockObserver store = index;
        Stopwatch watch = Stopwatch.StartNew();
        store.Cleared();
        foreach (SimulatedSnapshot snapshot in snapshots)
        {
            foreach (BlockFileId pack in snapshot.Packs) store.Changed(pack, true, 8 << 20);
            foreach (BlockFileId large in snapshot.Large) store.Changed(large, false, 1L << 30);
        }
        for (int i = 0; i < snapshots.Length; i++) index.Track(Id(i), snapshots[i]);
        Assert.All(index.Read(), s => Assert.Equal(50_000L * (8 << 20) + 100 * (1L << 30), s.Value));
        TimeSpan start = watch.Elapsed;
        watch.Restart();
        const int queries = 1000;
        for (int i = 0; i < queries; i++)
        {
            store.Removed(snapshots[i % 10].Packs[i], true);
            Assert.Equal(10, index.Read().Length);
        }
        output.WriteLine($"501,000 blocks of 10 snapshots: taken in within {start.TotalSeconds:F2} s; a query after a change {watch.Elapsed.TotalMicroseconds / queries:F1} µs");
        Assert.All(index.Read(), s => Assert.Equal((50_000L - 100) * (8 << 20) + 100 * (1L << 30), s.Value));
    }
}
