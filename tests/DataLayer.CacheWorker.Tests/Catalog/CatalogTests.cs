using DataLayer.Cache;
using DataLayer.CacheWorker.Catalog;
using DataLayer.Formats;
using Xunit;

namespace DataLayer.CacheWorker.Tests.Catalog;

/// <summary>Everything here holds on one Redis and on a Redis Cluster of three masters.</summary>
public abstract class CatalogTests
{
    protected static readonly TimeSpan Heartbeat = TimeSpan.FromMilliseconds(100), Expiry = TimeSpan.FromSeconds(2);

    private protected abstract RedisOptions Redis { get; }
    protected abstract string Cli(params string[] command);
    protected abstract void Flush();
    protected abstract Task RestartAsync(Func<Task> meanwhile);

    /// <summary>Each test has keys of its own.</summary>
    readonly string _prefix = $"test-{Guid.NewGuid():N}";

    private protected static WorkerNode Node(int number, long capacity = 1L << 40) => new($"n{number}", $"zone{number % 3}", $"127.0.0.1:{7000 + number}", capacity, 1);

    private protected static SnapshotId Snapshot(int number) => new(Digest.Of(BitConverter.GetBytes(number)));

    private protected ClusterCatalog Start(WorkerNode? self, Func<CatalogOptions, CatalogOptions>? change = null, params (SnapshotId, long)[] located)
    {
        CatalogOptions options = new() { Self = self, Heartbeat = Heartbeat, Expiry = Expiry };
        KeyValuePair<SnapshotId, long>[] bytes = [.. located.Select(l => new KeyValuePair<SnapshotId, long>(l.Item1, l.Item2))];
        return new ClusterCatalog(Redis with { Prefix = _prefix }, change?.Invoke(options) ?? options, () => bytes);
    }

    private protected static string[] Names(ClusterCatalog catalog) => [.. catalog.Membership.Current.Workers.Select(w => w.Name)];

    [Fact]
    public async Task Workers_find_each_other_and_one_that_leaves_is_gone_at_once()
    {
        await using ClusterCatalog a = Start(Node(1)), looker = Start(null);
        ClusterCatalog b = Start(Node(2));
        await Wait.Until(() => Names(a) is ["n1", "n2"] && Names(b) is ["n1", "n2"] && Names(looker) is ["n1", "n2"], "all know both");
        Assert.Equal(Node(2), a.Membership.Current.Workers[1]);
        Assert.Equal(["n1", "n2"], (await looker.ListWorkersAsync(CancellationToken.None)).Select(w => w.Record.Name).Order());
        await b.DisposeAsync();
        await Wait.Until(() => Names(a) is ["n1"] && Names(looker) is ["n1"], "the one that left is gone");
    }

    [Fact]
    public async Task A_worker_that_dies_without_a_word_goes_after_its_expiry_and_one_that_changes_is_known()
    {
        await using ClusterCatalog a = Start(Node(1));
        ClusterCatalog b = Start(Node(2), o => o with { Heartbeat = TimeSpan.FromMilliseconds(500) });
        await Wait.Until(() => Names(a) is ["n1", "n2"], "both are there");
        // Another process under the same name, as after a crash; then one that never beats again.
        await using (ClusterCatalog again = Start(Node(2, capacity: 5)))
            await Wait.Until(() => a.Membership.Current.Workers is [_, { Capacity: 5 }], "the new one is known");
        await b.DisposeAsync();
        Cli("ZADD", $"{{{_prefix}}}:beats", "1000", "n3");
        Cli("HSET", $"{{{_prefix}}}:workers", "n3", WorkerRecord.Of(Node(3), "1", "x").ToJson());
        await Wait.Until(() => Names(a) is ["n1"], "who does not beat is gone");
        Assert.Equal("0", Cli("HEXISTS", $"{{{_prefix}}}:workers", "n3"));
    }

    [Fact]
    public async Task An_emptied_Redis_is_full_again_and_nobody_vanishes_meanwhile()
    {
        SnapshotId snapshot = Snapshot(1);
        await using ClusterCatalog a = Start(Node(1), null, (snapshot, 100)), b = Start(Node(2), null, (snapshot, 200));
        Assert.True(a.Publish(new DatasetRecord("train", 3, 7, snapshot.ToString(), 300, 3)));
        await Wait.Until(() => Names(a) is ["n1", "n2"] && Names(b) is ["n1", "n2"] && b.Datasets.Find("train") != null, "all is known");
        bool shrank = false;
        a.MembershipChanged += map => shrank |= map.Workers.Count < 2;
        b.MembershipChanged += map => shrank |= map.Workers.Count < 2;
        for (int round = 0; round < 3; round++)
        {
            Flush();
            await Wait.Until(() => Cli("HLEN", $"{{{_prefix}}}:workers") == "2" && Cli("HEXISTS", $"{{{_prefix}}}:datasets", "train") == "1", "both registered again, and the dataset");
            await Wait.UntilAsync(async () => (await a.LocateAsync(snapshot, CancellationToken.None)).Sum(l => l.Bytes) == 300, "both published again");
        }
        Assert.False(shrank, "a worker vanished because Redis was emptied");
    }

    [Fact]
    public async Task A_Redis_that_is_away_longer_than_an_expiry_takes_nobody_out_when_it_is_back()
    {
        await using ClusterCatalog a = Start(Node(1)), b = Start(Node(2)), c = Start(Node(3));
        ClusterCatalog[] all = [a, b, c];
        await Wait.Until(() => all.All(x => Names(x) is ["n1", "n2", "n3"]), "all know all");
        int smallest = 3;
        foreach (ClusterCatalog one in all) one.MembershipChanged += map => smallest = Math.Min(smallest, map.Workers.Count);
        await RestartAsync(async () =>
        {
            await Wait.Until(() => all.All(x => x.Fault != null && x.Age > Expiry * 1.5), "Redis is missed for longer than an expiry");
            await Assert.ThrowsAsync<CatalogException>(() => a.LocateAsync(Snapshot(1), CancellationToken.None));
            Assert.True(all.All(x => Names(x) is ["n1", "n2", "n3"]));
        });
        await Wait.Until(() => all.All(x => x.Fault == null && x.Age < Expiry), "heartbeats go on");
        // Now for real.
        await c.DisposeAsync();
        await Wait.Until(() => Names(a) is ["n1", "n2"] && Names(b) is ["n1", "n2"], "who left is gone");
        Assert.Equal(2, smallest);
    }

    [Fact]
    public async Task A_lower_generation_never_overwrites_a_higher_one()
    {
        await using ClusterCatalog a = Start(Node(1)), b = Start(Node(2));
        DatasetRecord Record(long generation, long revision, int snapshot) => new("train", generation, revision, Snapshot(snapshot).ToString(), 1, 1);
        // Beyond 2⁵³, where numbers of scripts would be equal.
        long top = long.MaxValue - 1;
        Assert.True(a.Publish(Record(top, 9, 1)));
        await Wait.Until(() => b.Datasets.Find("train")?.Generation == top, "the other knows");
        Assert.False(b.Publish(Record(top - 1, 100, 2)));
        Assert.False(b.Publish(Record(top, 8, 2)));
        Assert.False(b.Publish(Record(top, 9, 2)));
        await using ClusterCatalog late = Start(Node(3));
        Assert.True(late.Publish(Record(top - 1, 100, 3)));
        await Wait.Until(() => late.Datasets.Find("train")?.Generation == top, "who came late with an old one learns the new one");
        Assert.Contains(Snapshot(1).ToString(), Cli("HGET", $"{{{_prefix}}}:datasets", "train"));
        Assert.True(b.Publish(Record(top, 10, 4)));
        await Wait.Until(() => a.Datasets.Find("train")?.SnapshotId == Snapshot(4), "a higher revision replaces it");
        Assert.True(b.Publish(Record(top + 1, 0, 4) with { Removed = true, Snapshot = null }));
        await Wait.Until(() => a.Datasets.Find("train") == null && late.Datasets.Find("train") == null, "removed everywhere");
        Assert.False(a.Publish(Record(top, 11, 5)));
    }

    [Fact]
    public async Task Random_publications_by_many_end_with_the_highest_everywhere()
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        ClusterCatalog[] all = [.. Enumerable.Range(0, 4).Select(i => Start(Node(i)))];
        Dictionary<string, DatasetRecord> highest = [];
        for (int i = 0; i < 300; i++)
        {
            DatasetRecord record = new($"d{random.Next(5)}", random.Next(20), random.Next(5), null, i, i);
            // Who is as high keeps what came first, which may differ between processes: only distinct orders are compared.
            if (highest.TryGetValue(record.Name, out DatasetRecord? known) && known.Order == record.Order) continue;
            all[random.Next(4)].Publish(record);
            if (record.IsNewerThan(known)) highest[record.Name] = record;
            if (i % 100 == 50) Flush();
            if (i % 20 == 0) await Task.Delay(random.Next(20));
        }
        await Wait.Until(() => all.All(c => highest.Values.All(r => c.Datasets.Find(r.Name)?.Order == r.Order)), $"all know the highest, seed {seed}");
        await Wait.Until(() => highest.Values.All(r => Cli("HGET", $"{{{_prefix}}}:datasets", r.Name).StartsWith(r.Order, StringComparison.Ordinal)), $"Redis holds the highest, seed {seed}");
        foreach (ClusterCatalog catalog in all) await catalog.DisposeAsync();
    }

    [Fact]
    public async Task Locations_tell_bytes_and_age_and_forget_what_is_gone()
    {
        SnapshotId one = Snapshot(1), two = Snapshot(2);
        long bytes = 10;
        await using ClusterCatalog a = new(Redis with { Prefix = _prefix }, new CatalogOptions { Self = Node(1), Heartbeat = Heartbeat, Expiry = Expiry },
            () => bytes == 0 ? [] : [new(one, bytes), new(two, 5)]);
        ClusterCatalog b = Start(Node(2), null, (one, long.MaxValue));
        await using ClusterCatalog looker = Start(null);
        await Wait.UntilAsync(async () => (await looker.LocateAsync(one, CancellationToken.None)).Length == 2, "both are told");
        SnapshotLocation[] locations = await looker.LocateAsync(one, CancellationToken.None);
        Assert.Equal([("n1", 10), ("n2", long.MaxValue)], locations.OrderBy(l => l.Worker).Select(l => (l.Worker, l.Bytes)));
        Assert.All(locations, l => Assert.InRange(l.Age, TimeSpan.Zero, Expiry));
        bytes = 20;
        await Wait.UntilAsync(async () => (await looker.LocateAsync(one, CancellationToken.None)).Any(l => l is { Worker: "n1", Bytes: 20 }), "a change is told");
        await b.DisposeAsync();
        await Wait.UntilAsync(async () => (await looker.LocateAsync(one, CancellationToken.None)) is [{ Worker: "n1" }], "who is gone is no location");
        bytes = 0;
        await Wait.UntilAsync(async () => (await looker.LocateAsync(one, CancellationToken.None)).Length == 0 && (await looker.LocateAsync(two, CancellationToken.None)).Length == 0, "what is gone is no location");
        Assert.Empty(await looker.LocateAsync(Snapshot(3), CancellationToken.None));
    }

    [Fact]
    public async Task Rubbish_in_Redis_is_passed_over()
    {
        Cli("HSET", $"{{{_prefix}}}:workers", "evil", "{\"name\":\"other\"}", "worse", "not json", "null", "{\"name\":\"null\",\"zone\":null,\"address\":null,\"capacity\":-1}");
        Cli("HSET", $"{{{_prefix}}}:datasets", "evil", "9999999999999999999.9999999999999999999 {}", "short", "x", "train", "zzzz");
        Cli("HSET", new CatalogKeys(_prefix).Location(Snapshot(1)), "n9", "many:yesterday", "n8", "");
        await using ClusterCatalog a = Start(Node(1), null, (Snapshot(1), 4));
        a.Publish(new DatasetRecord("train", 1, 1, null, 0, 0));
        await Wait.UntilAsync(async () => a.Fault == null && await a.LocateAsync(Snapshot(1), CancellationToken.None) is [{ Worker: "n1", Bytes: 4 }], "its own is told");
        await Wait.Until(() => Names(a) is ["n1"] && Cli("HGET", $"{{{_prefix}}}:datasets", "train").StartsWith('0'), "the catalog works");
        Assert.Null(a.Datasets.Find("evil"));
    }

    [Fact]
    public async Task A_clock_of_Redis_that_jumps_back_keeps_nobody_for_ever()
    {
        await using ClusterCatalog a = Start(Node(1));
        await Wait.Until(() => a.Fault == null && a.Age < Expiry && Cli("HLEN", $"{{{_prefix}}}:workers") == "1", "it beats");
        Cli("HSET", $"{{{_prefix}}}:workers", "n3", WorkerRecord.Of(Node(3), "1", "x").ToJson());
        Cli("ZADD", $"{{{_prefix}}}:beats", "99999999999999", "n3");
        Cli("HSET", $"{{{_prefix}}}:state", "settles", "99999999999999");
        await Wait.Until(() => Names(a) is ["n1"] && Cli("HEXISTS", $"{{{_prefix}}}:workers", "n3") == "0", "a heartbeat from the future ends");
    }

    [Fact]
    public async Task Two_workers_of_one_name_and_one_of_another_protocol_are_named()
    {
        List<string> said = [];
        void Say(string line)
        {
            lock (said) said.Add(line);
        }
        await using ClusterCatalog a = Start(Node(1), o => o with { Warn = Say, IsCompatible = w => w.Protocol == 1 });
        await using ClusterCatalog twin = Start(Node(1) with { Address = "10.9.9.9:1" }), other = Start(Node(2) with { Protocol = 2 });
        await Wait.Until(() => { lock (said) return said.Any(s => s.Contains("10.9.9.9:1") && s.Contains("n1")); }, "the twin is named");
        await Wait.Until(() => { lock (said) return said.Any(s => s.Contains("n2") && s.Contains("protocol 2")); }, "the incompatible one is named");
        Assert.DoesNotContain("n2", Names(a));
        await Wait.Until(() => Names(other) is ["n1", "n2"], "the other has its own rule");
    }
}
