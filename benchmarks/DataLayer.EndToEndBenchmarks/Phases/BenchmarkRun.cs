using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Server;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>One run from the data sets to the last measurement. Whatever it starts or mounts is gone when it returns or throws.</summary>
internal static class BenchmarkRun
{
    /// <summary>All phases, in the order they run in.</summary>
    internal static readonly string[] PhaseNames =
    [
        ColdPhase.Name, LocalPhases.Dropped, LocalPhases.Warm, MetadataPhase.Name, FirstTouchPhase.Name, LocalPhases.Memory,
        LocalPhases.Start, HalfCachePhase.Name,
    ];

    internal static async Task Run(BenchmarkOptions options, Results results, TextWriter progress, CancellationToken cancellation)
    {
        string running = Path.Combine(options.Folder, "run");
        await RemoveLeftovers(running);
        Directory.CreateDirectory(running);
        Dataset[] datasets = [.. Specs(options).Select(spec => Open(spec, options.Folder, progress))];
        try
        {
            using ServerProcess server = await ServerProcess.Start(
                options.Folder, datasets.Select(dataset => dataset.Spec), options.Latency, options.LinkBytesPerSecond);
            using var readers = new ReaderPool(options.Readers, running);
            var bench = new Bench(options, readers, server, results, cancellation);
            foreach (Dataset dataset in datasets)
            {
                Target[] targets = [.. options.Targets.Select(name => Make(name, options, running, server.Address))];
                try
                {
                    await (dataset.Spec.Name == "w3" ? RunLarge(bench, dataset, targets) : RunMany(bench, dataset, targets));
                }
                finally
                {
                    foreach (Target target in targets) await target.DisposeAsync();
                }
            }
        }
        finally
        {
            foreach (Dataset dataset in datasets) dataset.Dispose();
            await RemoveLeftovers(running);
        }
    }

    private static async Task RunMany(Bench bench, Dataset dataset, Target[] targets)
    {
        if (Starts(bench, ColdPhase.Name)) await ColdPhase.Run(bench, dataset, targets);
        string[] local = [LocalPhases.Dropped, LocalPhases.Warm, MetadataPhase.Name, FirstTouchPhase.Name, LocalPhases.Memory, LocalPhases.Start];
        if (local.Any(bench.Options.Wants)) await LocalPhases.Fill(bench, dataset, targets);
        if (Starts(bench, LocalPhases.Dropped, needsRoot: true)) await LocalPhases.RunDropped(bench, dataset, targets);
        if (Starts(bench, LocalPhases.Warm)) await LocalPhases.RunWarm(bench, dataset, targets);
        if (dataset.Spec.Name == "w1" && Starts(bench, MetadataPhase.Name, needsRoot: true)) await MetadataPhase.Run(bench, dataset, targets);
        if (dataset.Spec.Files > 1 && Starts(bench, FirstTouchPhase.Name, needsRoot: true)) await FirstTouchPhase.Run(bench, dataset, targets);
        if (local.Any(bench.Options.Wants)) await LocalPhases.KeepStats(bench, "local", dataset, targets);
        if (dataset.Spec.Name == "w1" && Starts(bench, LocalPhases.Memory)) await LocalPhases.RunMemory(bench, dataset, targets);
        if (dataset.Spec.Name == "w1" && Starts(bench, LocalPhases.Start)) await LocalPhases.RunStart(bench, dataset, targets);
        if (dataset.Spec.Name == "w1" && Starts(bench, HalfCachePhase.Name, needsRoot: true)) await HalfCachePhase.Run(bench, dataset, targets);
    }

    private static async Task RunLarge(Bench bench, Dataset dataset, Target[] targets)
    {
        if (Starts(bench, ColdPhase.Name)) await LargeFilePhase.RunCold(bench, dataset, targets);
        if (bench.Options.Wants(LocalPhases.Dropped) || bench.Options.Wants(LocalPhases.Warm)) await LocalPhases.Fill(bench, dataset, targets);
        if (Starts(bench, LocalPhases.Dropped, needsRoot: true)) await LargeFilePhase.RunDropped(bench, dataset, targets);
        if (Starts(bench, LocalPhases.Warm)) await LargeFilePhase.RunWarm(bench, dataset, targets);
        if (bench.Options.Wants(LocalPhases.Dropped) || bench.Options.Wants(LocalPhases.Warm)) await LocalPhases.KeepStats(bench, "local", dataset, targets);
    }

    private static bool Starts(Bench bench, string phase, bool needsRoot = false)
    {
        bench.Cancellation.ThrowIfCancellationRequested();
        if (!bench.Options.Wants(phase)) return false;
        string? reason = bench.IsLate ? "the time limit is reached" : needsRoot && !Bench.IsRoot ? "only root can drop the kernel's caches" : null;
        if (reason is not null) bench.Results.Fail(phase, "all", "all", "left out: " + reason);
        return reason is null;
    }

    private static IEnumerable<DatasetSpec> Specs(BenchmarkOptions options) =>
        new[] { DatasetSpec.W1(options.Files), DatasetSpec.W2(options.SmallFiles), DatasetSpec.W3(options.LargeBytes) }
            .Where(spec => options.Data.Contains(spec.Name));

    private static Dataset Open(DatasetSpec spec, string folder, TextWriter progress)
    {
        progress.WriteLine($"data set {spec.FileName}");
        return Dataset.Open(spec, folder);
    }

    private static Target Make(string name, BenchmarkOptions options, string running, S3Address source) => name switch
    {
        "ext4" => new DirectoryTarget(name, Path.Combine(options.Folder, "ext4"), isKept: true),
        "tmpfs" => new DirectoryTarget(name, $"/dev/shm/dl-bench-{Environment.ProcessId}", isKept: false),
        "rclone" => new RcloneTarget(running, source),
        "s3fs" => new S3fsTarget(running, source),
        "dl-fuse" => new FuseTarget(name, running, options.Program, source, [.. options.MountOptions]),
        "dl-stub" => new FuseTarget(name, running, options.Program, source, [.. options.MountOptions, "--stub"]),
        _ => throw new BenchmarkException($"no target is called {name}: ext4, tmpfs, dl-fuse, dl-stub, rclone, s3fs"),
    };

    /// <summary>What a killed run left: mounts first, since nothing below them can be removed.</summary>
    private static async Task RemoveLeftovers(string running)
    {
        foreach (string point in MountTable.Below(running)) await Shell.Run("umount", ["-l", point]);
        if (MountTable.Below(running).Count > 0) throw new BenchmarkException($"cannot unmount everything below {running}");
        // Logs of mounts that failed are kept until the next run.
        if (Directory.Exists(running))
        {
            foreach (string folder in Directory.GetDirectories(running)) await Tree.Remove(folder);
        }
    }
}
