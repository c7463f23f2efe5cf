using DataLayer.ClusterSimulation;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Cache.Tests;

public sealed class ClusterSimulationTests(ITestOutputHelper output)
{
    static readonly SimulationOptions Small = new() { Nodes = 40, Datasets = 20, Jobs = 60, Capacity = 60, MedianBlocks = 100, Day = TimeSpan.FromHours(4), Quota = 0.5 };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Bytes_are_conserved_and_no_quota_nor_store_is_exceeded(int seed)
    {
        SimulationOptions options = Small with { Seed = seed };
        Workload workload = new(options);
        foreach (Scheme scheme in Enum.GetValues<Scheme>())
        {
            ClusterRun run = new(options, workload, scheme);
            int looks = 0;
            RunResult result = run.Run(() =>
            {
                looks++;
                int capacity = scheme == Scheme.Central ? options.Capacity * options.Nodes : options.Capacity;
                Assert.All(run.Caches, cache => Assert.InRange(cache.Used, 0, capacity));
                if (scheme is not (Scheme.DataLayer or Scheme.NoPeers)) return;
                for (int dataset = 0; dataset < options.Datasets; dataset++)
                    if (run.QuotaOf(dataset) is { } quota) Assert.InRange(run.Caches.Sum(c => (long)c.UsedBy(dataset)), 0, quota);
            });
            output.WriteLine($"{scheme}: {result}");
            Assert.True(looks > 0 && result.Finished > options.Jobs / 2, "too little happened");
            Assert.Equal(result.Read, result.FromSource + result.FromPeers + result.Local);
            Assert.Equal(run.Caches.Sum(c => c.Used), Enumerable.Range(0, options.Datasets).Sum(d => run.Caches.Sum(c => c.UsedBy(d))));
            long wanted = workload.Jobs.Select(j => j.Dataset).Distinct().Sum(d => (long)workload.Datasets[d].Blocks);
            Assert.InRange(result.FromSource, wanted / 2, result.Read);
            Assert.True(result.MedianStretch >= 1 - 1e-9, "a job was faster than its own reading");
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_day()
    {
        RunResult[] results = [.. Enumerable.Range(0, 2).Select(_ => new ClusterRun(Small, new Workload(Small), Scheme.DataLayer).Run())];
        Assert.Equal(results[0], results[1]);
    }

    [Fact]
    public void Peers_and_keeping_what_is_cached_save_the_source()
    {
        SimulationOptions options = Small with { Quota = 0 };
        Workload workload = new(options);
        Dictionary<Scheme, RunResult> results = Enum.GetValues<Scheme>().ToDictionary(s => s, s => new ClusterRun(options, workload, s).Run());
        Assert.True(results[Scheme.DataLayer].FromSource < results[Scheme.NoPeers].FromSource / 2, $"{results[Scheme.DataLayer]} {results[Scheme.NoPeers]}");
        Assert.True(results[Scheme.DataLayer].FromSource <= results[Scheme.HomesLru].FromSource, $"{results[Scheme.DataLayer]} {results[Scheme.HomesLru]}");
    }
}
