using DataLayer.CacheWorker.Catalog;
using DataLayer.TestKit;
using DataLayer.TestKit.Redis;
using Xunit;

namespace DataLayer.CacheWorker.Tests.Catalog;

public sealed class SingleRedisTests : CatalogTests, IAsyncLifetime
{
    RedisServer _server = null!;

    public async Task InitializeAsync() => _server = await RedisServer.StartAsync();
    public async Task DisposeAsync() => await _server.DisposeAsync();
    private protected override RedisOptions Redis => RedisOptions.Parse(_server.Address) with { Timeout = TimeSpan.FromSeconds(2) };
    protected override string Cli(params string[] command) => _server.Cli(command);
    protected override void Flush() => _server.Cli("FLUSHALL");

    protected override async Task RestartAsync(Func<Task> meanwhile)
    {
        await _server.KillAsync();
        await meanwhile();
        await _server.RestartAsync();
    }

    [Fact]
    public async Task A_Redis_that_hangs_stops_nobody_and_takes_nobody_out()
    {
        await using ClusterCatalog a = Start(Node(1)), b = Start(Node(2));
        await Wait.Until(() => Names(a) is ["n1", "n2"] && Names(b) is ["n1", "n2"], "both know both");
        int smallest = 2;
        a.MembershipChanged += map => smallest = Math.Min(smallest, map.Workers.Count);
        _server.Stall();
        try
        {
            await Wait.Until(() => a.Fault != null && b.Fault != null && a.Age > Expiry * 1.5 && b.Age > Expiry * 1.5, "it is missed");
            Assert.Contains("no answer within 2 s", (await Assert.ThrowsAsync<CatalogException>(() => a.LocateAsync(Snapshot(1), CancellationToken.None))).Message);
        }
        finally
        {
            _server.Continue();
        }
        await Wait.Until(() => a.Fault == null && b.Fault == null && a.Age < Expiry && b.Age < Expiry, "it answers again");
        await b.BeatAsync(CancellationToken.None);
        await a.BeatAsync(CancellationToken.None);
        Assert.Equal(2, smallest);
    }

    [Fact]
    public async Task A_password_is_used_and_a_wrong_or_missing_one_is_told_and_never_shown()
    {
        await using RedisServer locked = await RedisServer.StartAsync(password: "s3cret/@:%");
        RedisOptions right = RedisOptions.Parse(locked.Address);
        await using (ClusterCatalog good = new(right, new CatalogOptions { Self = Node(1) }))
            await good.BeatAsync(CancellationToken.None);
        foreach (string? password in new[] { null, "wr0ng" })
        {
            List<string> said = [];
            await using ClusterCatalog bad = new(right with { Password = password }, new CatalogOptions { Self = Node(1), Warn = said.Add });
            CatalogException fault = await Assert.ThrowsAsync<CatalogException>(() => bad.BeatAsync(CancellationToken.None));
            Assert.Contains("password", fault.Message);
            Assert.DoesNotContain("wr0ng", fault.ToString());
            Assert.Single(bad.Membership.Current.Workers);
        }
    }

    [Fact]
    public async Task Over_TLS_a_server_of_the_given_authority_is_trusted_and_another_is_not()
    {
        using ScratchDirectory files = new();
        Certificates.Write(files, "ours");
        Certificates.Write(files, "theirs");
        await using RedisServer server = await RedisServer.StartAsync(tls: (files.File("ours.crt"), files.File("ours.key"), files.File("ours.ca")));
        RedisOptions options = RedisOptions.Parse(server.Address);
        Assert.True(options.Tls);
        await using (ClusterCatalog good = new(options with { AuthorityFile = files.File("ours.ca") }, new CatalogOptions { Self = Node(1) }))
            await good.BeatAsync(CancellationToken.None);
        await using ClusterCatalog stranger = new(options with { AuthorityFile = files.File("theirs.ca") }, new CatalogOptions { Self = Node(1) });
        await Assert.ThrowsAsync<CatalogException>(() => stranger.BeatAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Nothing_but_names_sizes_and_digests_is_in_Redis()
    {
        await using ClusterCatalog a = Start(Node(1), null, (Snapshot(1), 5));
        a.Publish(new DatasetRecord("train", 1, 1, Snapshot(1).ToString(), 10, 1));
        await a.BeatAsync(CancellationToken.None);
        await a.BeatAsync(CancellationToken.None);
        string[] keys = _server.Cli("KEYS", "*").Split('\n');
        Assert.Equal(5, keys.Length);
        Assert.All(keys, key => Assert.Matches(@"^\{test-\w+(:\d+)?\}:(workers|beats|state|datasets|at:[0-9a-f]{64})$", key));
        string workers = _server.Cli("HVALS", keys.Single(k => k.EndsWith(":workers"))), datasets = _server.Cli("HVALS", keys.Single(k => k.EndsWith(":datasets")));
        Assert.Matches("""^\{"name":"n1","zone":"zone1","address":"127.0.0.1:7001","capacity":1099511627776,"protocol":1,"software":"[\d.]+","instance":"\w{32}"\}$""", workers);
        Assert.Matches("""^0000000000000000001.0000000000000000001 \{"name":"train","generation":1,"revision":1,"snapshot":"[0-9a-f]{64}","bytes":10,"files":1,"removed":false\}$""", datasets);
    }
}
