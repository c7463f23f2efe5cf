using System.Diagnostics;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Server;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>What every phase works with.</summary>
internal sealed class Bench(
    BenchmarkOptions options, ReaderPool readers, ServerProcess server, Results results, CancellationToken cancellation)
{
    // An epoch of ours or of a directory takes seconds; a peer's cold one takes minutes.
    private static readonly TimeSpan EpochLimit = TimeSpan.FromMinutes(3), PeerEpochLimit = TimeSpan.FromMinutes(20);
    private readonly HashSet<string> _failed = [];
    private readonly long _startedAt = Stopwatch.GetTimestamp();

    internal BenchmarkOptions Options => options;
    internal ServerProcess Server => server;
    internal Results Results => results;
    internal CancellationToken Cancellation => cancellation;
    internal static bool IsRoot { get; } = Libc.geteuid() == 0;

    internal bool IsLate => Stopwatch.GetElapsedTime(_startedAt) > options.Limit;

    /// <summary>Whether this target still works for this data set.</summary>
    internal bool IsUsable(Target target, Dataset dataset) => !_failed.Contains(target.Name + dataset.Spec.Name);

    /// <summary>Does one target's part of a phase. A failure is noted, and the target left out for the rest of the data set.</summary>
    internal async Task Try(string phase, Target target, Dataset dataset, Func<Task> work)
    {
        if (!IsUsable(target, dataset)) return;
        cancellation.ThrowIfCancellationRequested();
        if (IsLate)
        {
            results.Fail(phase, dataset.Spec.Name, target.Name, "left out: the time limit is reached");
            return;
        }

        try
        {
            await work();
        }
        catch (Exception error) when (error is BenchmarkException or IOException)
        {
            // An interrupt from the terminal reaches the readers and mounts too: what fails then is not a finding.
            cancellation.ThrowIfCancellationRequested();
            results.Fail(phase, dataset.Spec.Name, target.Name, error.Message);
            _failed.Add(target.Name + dataset.Spec.Name);
            await target.Close();
        }
    }

    /// <summary>Lets the readers loose on a target, and records what it took, with the mount process's and the server's share.</summary>
    internal async Task<Measurement> Measure(
        string phase, string step, int round, Target target, Dataset dataset, ReaderMode mode, int? readers = null, ReaderJob? job = null)
    {
        RequestCounters before = target.HasSource ? await server.Counters() : default;
        double serverCpu = server.Probe.CpuSeconds;
        Epoch epoch;
        Dictionary<string, double> values;
        using (var watch = new ProcessWatch(target.Probe))
        {
            epoch = await Read(target, dataset, mode, SeedOf(step, round), readers, job);
            values = watch.Finish();
        }

        values["files"] = epoch.Files;
        values["bytes"] = epoch.Bytes;
        values["readerCpu"] = epoch.ReaderCpuSeconds;
        if (target.HasSource)
        {
            RequestCounters asked = (await server.SettledCounters(cancellation)).Since(before);
            values["serverCpu"] = server.Probe.CpuSeconds - serverCpu;
            AddRequests(values, asked);
        }

        results.Add(phase, dataset.Spec.Name, target.Name, step, round, epoch.Seconds, values);
        return results.Measurements[^1];
    }

    /// <summary>Lets the readers loose without recording.</summary>
    internal Task<Epoch> Read(Target target, Dataset dataset, ReaderMode mode, ulong seed, int? count = null, ReaderJob? job = null)
    {
        job ??= new ReaderJob { Mode = mode, Gate = "" };
        job = job with { Mode = mode, Index = dataset.IndexPath, Root = target.Root, Seed = seed };
        return readers.Run(job, count ?? options.Readers, target.IsPeer ? PeerEpochLimit : EpochLimit, cancellation);
    }

    /// <summary>The first file of a data set, read as soon as <paramref name="launch"/> makes it readable.</summary>
    internal Task<Epoch> ReadFirst(string root, Dataset dataset, Action launch) => readers.Run(
        new ReaderJob { Mode = ReaderMode.FirstFile, Gate = "", Index = dataset.IndexPath, Root = root, Seed = 1 },
        1, EpochLimit, cancellation, launch);

    /// <summary>Writes back what is dirty, then drops clean pages, dentries and inodes of every filesystem (root only).</summary>
    internal static void DropCaches(int what = 3)
    {
        Libc.sync();
        File.WriteAllText("/proc/sys/vm/drop_caches", what.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>A cache size that holds the data set and whatever a cache keeps beside it.</summary>
    internal static long AmpleCache(Dataset dataset) => (2 * dataset.Index.TotalBytes) + (1L << 30);

    /// <summary>Every target reads the files of a round in one order, and no two rounds have the same.</summary>
    internal static ulong SeedOf(string step, int round)
    {
        ulong seed = (ulong)round;
        foreach (char letter in step) seed = Content.Word(seed, letter);
        return seed;
    }

    internal static void AddRequests(Dictionary<string, double> values, RequestCounters asked)
    {
        values["get"] = asked.Get;
        values["head"] = asked.Head;
        values["list"] = asked.List;
        values["other"] = asked.Other;
        values["failedRequests"] = asked.Failed;
        values["sourceBytes"] = asked.BodyBytes;
    }
}
