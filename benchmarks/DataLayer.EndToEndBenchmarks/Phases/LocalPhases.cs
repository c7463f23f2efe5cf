using System.Text.Json;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>Epochs over data that is on the local disk or in the page cache already, all targets in turn.</summary>
internal static class LocalPhases
{
    internal const string Dropped = "dropped", Warm = "warm", Memory = "memory", Start = "start";

    /// <summary>Opens what is not open, and reads everything once so that every cache is full.</summary>
    internal static async Task Fill(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        ReaderMode mode = dataset.Spec.Files == 1 ? ReaderMode.VerifiedSequential : ReaderMode.VerifiedFiles;
        foreach (Target target in targets)
        {
            await bench.Try("fill", target, dataset, async () =>
            {
                if (target.Root.Length == 0 || (target.HasSource && target.Probe is null))
                {
                    if (target is FuseTarget own) await Snapshot(bench, own, dataset);
                    await target.Open(dataset, Bench.AmpleCache(dataset), bench.Cancellation);
                }

                await bench.Read(target, dataset, mode, seed: 1, dataset.Spec.Files == 1 ? 1 : null);
                if (target.HasSource) await bench.Server.SettledCounters(bench.Cancellation);
            });
        }
    }

    /// <summary>Nothing in memory: each epoch starts with the kernel's caches dropped.</summary>
    internal static async Task RunDropped(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        for (int round = 1; round <= bench.Options.Rounds; round++)
        {
            foreach (Target target in InTurn(bench, targets.Where(target => target.Name != "tmpfs"), round))
            {
                await bench.Try(Dropped, target, dataset, async () =>
                {
                    Bench.DropCaches();
                    await bench.Measure(Dropped, "epoch", round, target, dataset, ReaderMode.VerifiedFiles);
                });
            }
        }
    }

    /// <summary>Everything in memory. Both with checksums, and without, so that the filesystem is what is measured.</summary>
    internal static async Task RunWarm(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        foreach (Target target in targets)
            await bench.Try(Warm, target, dataset, () => bench.Read(target, dataset, ReaderMode.Files, seed: 2));
        for (int round = 1; round <= bench.Options.Rounds; round++)
        {
            foreach (Target target in InTurn(bench, targets, round))
            {
                await bench.Try(Warm, target, dataset, async () =>
                {
                    await bench.Measure(Warm, "verified", round, target, dataset, ReaderMode.VerifiedFiles);
                    // A peer's epochs take minutes, and its checksums none of it.
                    if (!target.IsPeer) await bench.Measure(Warm, "unverified", round, target, dataset, ReaderMode.Files);
                });
            }
        }
    }

    /// <summary>Many epochs that all reach the mount process: whether its memory grows.</summary>
    internal static async Task RunMemory(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        foreach (Target target in targets.Where(target => target is FuseTarget))
        {
            for (int round = 1; round <= bench.Options.MemoryEpochs; round++)
            {
                await bench.Try(Memory, target, dataset, async () =>
                {
                    if (Bench.IsRoot) Bench.DropCaches();
                    await bench.Measure(Memory, "epoch", round, target, dataset, ReaderMode.VerifiedFiles);
                });
            }
        }
    }

    /// <summary>From the start of the process to the first file read, with a snapshot made before and a full cache.</summary>
    internal static async Task RunStart(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        foreach (FuseTarget target in targets.OfType<FuseTarget>())
        {
            await bench.Try(Start, target, dataset, () => Snapshot(bench, target, dataset));
            for (int round = 1; round <= bench.Options.Rounds; round++)
            {
                await bench.Try(Start, target, dataset, async () =>
                {
                    await target.Stop();
                    Epoch first = await bench.ReadFirst(target.Root, dataset, () => target.Launch(dataset, Bench.AmpleCache(dataset)));
                    await target.WaitUntilMounted(bench.Cancellation);
                    bench.Results.Add(Start, dataset.Spec.Name, target.Name, "first read", round, first.Seconds);
                });
            }
        }
    }

    /// <summary>What our mounts say of themselves. That they cannot is noted, and no reason to leave out what follows.</summary>
    internal static async Task KeepStats(Bench bench, string phase, Dataset dataset, IReadOnlyList<Target> targets)
    {
        foreach (FuseTarget target in targets.OfType<FuseTarget>().Where(target => target.Probe is not null))
        {
            try
            {
                bench.Results.Keep(phase, dataset.Spec.Name, target.Name, await target.Stats());
            }
            catch (Exception error) when (error is BenchmarkException or JsonException)
            {
                bench.Results.Fail(phase, dataset.Spec.Name, target.Name, "stats: " + error.Message);
            }
        }
    }

    internal static async Task Snapshot(Bench bench, FuseTarget target, Dataset dataset)
    {
        TimeSpan took = await target.MakeSnapshot(dataset);
        bench.Results.Add("snapshot", dataset.Spec.Name, target.Name, "make", 1, took.TotalSeconds);
        target.ListsAtMount = false;
    }

    /// <summary>Peers sit out the later rounds; whoever was first in one round is last in the next.</summary>
    internal static IEnumerable<Target> InTurn(Bench bench, IEnumerable<Target> targets, int round)
    {
        Target[] taking = [.. targets.Where(target => !target.IsPeer || round <= bench.Options.PeerRounds)];
        return Enumerable.Range(0, taking.Length).Select(i => taking[(i + round) % taking.Length]);
    }
}
