using DataLayer.CacheWorker.Catalog;
using DataLayer.TestKit.Redis;
using Xunit;

namespace DataLayer.CacheWorker.Tests.Catalog;

public sealed class RedisClusterTests(RedisClusterTests.Shared shared) : CatalogTests, IClassFixture<RedisClusterTests.Shared>
{
    /// <summary>Bringing three masters together takes seconds: once for all tests.</summary>
    public sealed class Shared : IAsyncLifetime
    {
        public RedisCluster Cluster { get; private set; } = null!;
        public async Task InitializeAsync() => Cluster = await RedisCluster.StartAsync();
        public async Task DisposeAsync() => await Cluster.DisposeAsync();
    }

    private protected override RedisOptions Redis => RedisOptions.Parse(shared.Cluster.Address) with { Timeout = TimeSpan.FromSeconds(2) };

    protected override string Cli(params string[] command) => shared.Cluster.Masters[0].Cli(["-c", .. command]);

    protected override void Flush()
    {
        foreach (RedisServer master in shared.Cluster.Masters) master.Cli("FLUSHALL");
    }

    /// <summary>A master that is killed without its files would come back as a stranger: they hang instead.</summary>
    protected override async Task RestartAsync(Func<Task> meanwhile)
    {
        foreach (RedisServer master in shared.Cluster.Masters) master.Stall();
        try
        {
            await meanwhile();
        }
        finally
        {
            foreach (RedisServer master in shared.Cluster.Masters) master.Continue();
        }
    }
}
