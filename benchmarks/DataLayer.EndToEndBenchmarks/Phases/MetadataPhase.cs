using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>Walks over all names by the programs people use; first with the kernel's caches dropped, then again.</summary>
internal static class MetadataPhase
{
    internal const string Name = "metadata";

    /// <summary>Each walk's name, and the program with its arguments before and after the directory.</summary>
    internal static readonly (string Step, string[] Before, string[] After)[] Walks =
    [
        ("find", ["find"], []),
        ("ls -lR", ["ls", "-lR"], []),
        ("stat walk", ["find"], ["-printf", "%s\\n"]),
    ];

    internal static async Task Run(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        for (int round = 1; round <= bench.Options.Rounds; round++)
        {
            foreach (Target target in LocalPhases.InTurn(bench, targets.Where(target => target.Name != "tmpfs"), round))
            {
                foreach ((string step, string[] before, string[] after) in Walks)
                    await bench.Try(Name, target, dataset, () => Walk(bench, dataset, target, round, step, before, after));
            }
        }
    }

    private static async Task Walk(Bench bench, Dataset dataset, Target target, int round, string step, string[] before, string[] after)
    {
        Bench.DropCaches();
        // The program itself was dropped too; reading it from the disk is not what is measured.
        await Command(bench, dataset, target, [.. before, "/dev/null", .. after]);
        foreach (string which in (string[])["first", "second"])
        {
            var job = new ReaderJob { Mode = ReaderMode.Command, Gate = "", Arguments = [.. before, target.Root, .. after] };
            await bench.Measure(Name, $"{step}, {which}", round, target, dataset, ReaderMode.Command, 1, job);
        }
    }

    private static Task<Epoch> Command(Bench bench, Dataset dataset, Target target, string[] arguments) => bench.Read(
        target, dataset, ReaderMode.Command, 0, 1, new ReaderJob { Mode = ReaderMode.Command, Gate = "", Arguments = arguments });
}
