using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>One large file: from the source, from the local disk, and from memory, read in the ways models are loaded.</summary>
internal static class LargeFilePhase
{
    internal static readonly (string Step, ReaderMode Mode)[] Ways =
    [
        ("read", ReaderMode.Sequential),
        ("mmap", ReaderMode.Mapped),
        ("random mmap", ReaderMode.MappedScattered),
        ("random pread", ReaderMode.Scattered),
    ];

    /// <summary>Every byte over the link, for one reader and for all at once.</summary>
    internal static async Task RunCold(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        await ColdPhase.Plain(bench, dataset, 16, 1, "read by 1", 8 << 20);
        foreach (Target target in targets.Where(target => target.HasSource))
        {
            int rounds = target.IsPeer ? 1 : bench.Options.ColdRounds;
            foreach (int readers in target.IsPeer ? [1] : (int[])[1, bench.Options.Readers])
            {
                for (int round = 1; round <= rounds; round++)
                {
                    await bench.Try(ColdPhase.Name, target, dataset, async () =>
                    {
                        await target.Close();
                        Libc.sync();
                        if (target is FuseTarget own) own.ListsAtMount = true;
                        await target.Open(dataset, Bench.AmpleCache(dataset), bench.Cancellation);
                        await bench.Measure(ColdPhase.Name, $"read by {readers}", round, target, dataset, ReaderMode.VerifiedSequential, readers);
                    });
                }
            }
        }
    }

    internal static async Task RunDropped(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        foreach ((string step, ReaderMode mode) in Ways)
        {
            for (int round = 1; round <= bench.Options.Rounds; round++)
            {
                foreach (Target target in LocalPhases.InTurn(bench, targets.Where(target => target.Name != "tmpfs"), round))
                {
                    await bench.Try(LocalPhases.Dropped, target, dataset, async () =>
                    {
                        Bench.DropCaches();
                        await bench.Measure(LocalPhases.Dropped, step, round, target, dataset, mode, 1);
                    });
                }
            }
        }
    }

    internal static async Task RunWarm(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        // What scattered reads left is cached in single pages, which stay slow to read and map: everyone starts from large ones.
        Bench.DropCaches();
        foreach (Target target in targets)
            await bench.Try(LocalPhases.Warm, target, dataset, () => bench.Read(target, dataset, ReaderMode.Sequential, 1, 1));
        foreach ((string step, ReaderMode mode) in Ways)
        {
            for (int round = 1; round <= bench.Options.Rounds; round++)
            {
                foreach (Target target in LocalPhases.InTurn(bench, targets, round))
                {
                    await bench.Try(LocalPhases.Warm, target, dataset,
                        () => bench.Measure(LocalPhases.Warm, step, round, target, dataset, mode, 1));
                }
            }
        }
    }
}
