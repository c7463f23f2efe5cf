using System.Diagnostics;
using System.Globalization;
using DataLayer.ClusterSimulation;

// "location-index DIRECTORY" fills a store with half a million block files, if it is empty, and measures start and location queries.
if (args is ["location-index", var directory]) return await LocationIndexAtScale.RunAsync(directory);

// [--nodes N] [--datasets N] [--jobs N] [--capacity BLOCKS] [--seed N]: a day of jobs on a simulated cluster, one row for each scheme.
SimulationOptions options = new();
for (int i = 0; i < args.Length; i++)
{
    if (i + 1 == args.Length || !int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out int value)) return Usage();
    switch (args[i++])
    {
        case "--nodes": options = options with { Nodes = value }; break;
        case "--datasets": options = options with { Datasets = value }; break;
        case "--jobs": options = options with { Jobs = value }; break;
        case "--capacity": options = options with { Capacity = value }; break;
        case "--seed": options = options with { Seed = value }; break;
        default: return Usage();
    }
}
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Workload workload = new(options);
const double tib = SimulationOptions.GiBPerBlock / 1024;
long wanted = workload.Jobs.Select(j => j.Dataset).Distinct().Sum(d => (long)workload.Datasets[d].Blocks);
Console.WriteLine($"{options.Nodes} nodes of {options.Capacity * tib:0.##} TiB, {options.Datasets} datasets of {workload.Ids.Length * tib:N0} TiB together, {options.Jobs} jobs on {wanted * tib:N0} TiB of them, seed {options.Seed}");
Console.WriteLine();
Console.WriteLine("| scheme | source sent | ÷ data used | hit rate | from other nodes | busiest server ÷ mean | fullest ÷ mean | job time ÷ ideal, median | 95 % | jobs done |");
Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
foreach ((Scheme scheme, string name) in new[] { (Scheme.DataLayer, "DataLayer"), (Scheme.HomesLru, "the same homes with LRU"), (Scheme.NoPeers, "no peers"), (Scheme.NoPeersLru, "no peers, LRU"), (Scheme.Central, "one central cache, LRU") })
{
    TimeSpan before = Process.GetCurrentProcess().TotalProcessorTime;
    RunResult result = new ClusterRun(options, workload, scheme).Run();
    Console.WriteLine($"| {name} | {result.FromSource * tib:N0} TiB | {(double)result.FromSource / wanted:F2} | {result.HitRate:P1} | {result.FromPeers * tib:N0} TiB | {(result.Imbalance == 0 ? "" : $"{result.Imbalance:F2}")} | {result.StoredImbalance:F2} | {result.MedianStretch:F2} | {result.SlowStretch:F2} | {result.Finished} |");
    Console.Error.WriteLine($"{name}: {result.Read:N0} reads simulated in {(Process.GetCurrentProcess().TotalProcessorTime - before).TotalSeconds:F1} s of processor time");
}
return 0;

static int Usage()
{
    Console.Error.WriteLine("usage: DataLayer.ClusterSimulation [--nodes N] [--datasets N] [--jobs N] [--capacity BLOCKS] [--seed N] | location-index DIRECTORY");
    return 2;
}
