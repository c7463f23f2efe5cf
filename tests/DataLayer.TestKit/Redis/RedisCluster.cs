using System.Diagnostics;
using System.Globalization;

namespace DataLayer.TestKit.Redis;

/// <summary>A Redis Cluster of three masters on loopback, all slots served.</summary>
public sealed class RedisCluster : IAsyncDisposable
{
    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    RedisCluster(RedisServer[] masters) => Masters = masters;

    public IReadOnlyList<RedisServer> Masters { get; }

    /// <summary>Two of the three: clients find the third.</summary>
    public string Address => $"redis://127.0.0.1:{Masters[0].Port},127.0.0.1:{Masters[1].Port}";

    public static async Task<RedisCluster> StartAsync()
    {
        List<RedisServer> masters = [];
        RedisCluster? cluster = null;
        try
        {
            while (masters.Count < 3) masters.Add(await RedisServer.StartAsync(options: ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]));
            cluster = new RedisCluster([.. masters]);
            Shell.Run("redis-cli", ["--cluster", "create", .. masters.Select(m => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{m.Port}")), "--cluster-replicas", "0", "--cluster-yes"]).Checked.ToString();
            Stopwatch watch = Stopwatch.StartNew();
            while (!masters.All(m => m.Cli("cluster", "info").Contains("cluster_state:ok", StringComparison.Ordinal)))
            {
                if (watch.Elapsed > StartLimit) throw new InvalidOperationException("the Redis Cluster does not come together");
                await Task.Delay(20);
            }
            return cluster;
        }
        catch
        {
            foreach (RedisServer master in masters) await master.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RedisServer master in Masters) await master.DisposeAsync();
    }
}
