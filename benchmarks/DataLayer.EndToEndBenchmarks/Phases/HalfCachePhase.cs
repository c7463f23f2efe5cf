using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>
/// Epochs in fresh random order with a cache of half the data set. The kernel's caches are dropped before each, so that
/// what is read comes from the cache directory or the source, and the server's counters tell which.
/// </summary>
internal static class HalfCachePhase
{
    internal const string Name = "half";
    // The first fills the cache; a peer's second already tells.
    private const int Epochs = 4, PeerEpochs = 2;

    internal static async Task Run(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        // s3fs has no limit for its cache.
        foreach (Target target in targets.Where(target => target.HasSource && target.Name != "s3fs"))
        {
            await bench.Try(Name, target, dataset, async () =>
            {
                long limit = dataset.Index.TotalBytes / 2;
                if (target is FuseTarget own) await LocalPhases.Snapshot(bench, own, dataset);
                await target.Open(dataset, limit, bench.Cancellation);
                for (int round = 1; round <= (target.IsPeer ? PeerEpochs : Epochs); round++)
                {
                    Bench.DropCaches();
                    double cachedBefore = target.CachedBytes;
                    Measurement epoch = await bench.Measure(Name, "epoch", round, target, dataset, ReaderMode.VerifiedFiles);
                    var values = new Dictionary<string, double>
                    {
                        ["limit"] = limit,
                        ["cachedBefore"] = cachedBefore,
                        ["cachedAfter"] = target.CachedBytes,
                        ["sourceBytes"] = epoch.Values["sourceBytes"],
                        ["datasetBytes"] = dataset.Index.TotalBytes,
                        ["hitRate"] = 1 - (epoch.Values["sourceBytes"] / dataset.Index.TotalBytes),
                    };
                    bench.Results.Add(Name, dataset.Spec.Name, target.Name, "cache", round, epoch.Seconds, values);
                }

                await LocalPhases.KeepStats(bench, Name, dataset, [target]);
                await target.Close();
            });
        }
    }
}
