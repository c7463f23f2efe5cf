using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Server;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>
/// Epochs with an empty cache, next to plain HTTP connections that fetch the same objects in the same order. Mounting,
/// with the listing of the bucket, is timed apart; its requests count.
/// </summary>
internal static class ColdPhase
{
    internal const string Name = "cold";
    private const string Epochs = "epoch";

    internal static async Task Run(Bench bench, Dataset dataset, IReadOnlyList<Target> targets)
    {
        for (int round = 1; round <= bench.Options.ColdRounds && !bench.IsLate; round++)
        {
            await Plain(bench, dataset, 64, round);
            foreach (Target target in targets.Where(target => target.HasSource && (!target.IsPeer || round == 1)))
                await bench.Try(Name, target, dataset, () => Epoch(bench, dataset, target, round));
        }

        // 20,000 requests of 15 ms over 8 connections take 38 s whoever asks: once is enough, and only for W1.
        if (dataset.Spec.Name == "w1" && !bench.IsLate) await Plain(bench, dataset, 8, 1);
    }

    private static async Task Epoch(Bench bench, Dataset dataset, Target target, int round)
    {
        await target.Close();
        // Writing back the round before would be paid by this one.
        Libc.sync();
        RequestCounters before = await bench.Server.Counters();
        long start = Stopwatch.GetTimestamp();
        if (target is FuseTarget own) own.ListsAtMount = true;
        await target.Open(dataset, Bench.AmpleCache(dataset), bench.Cancellation);
        double mounting = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var values = new Dictionary<string, double>();
        Bench.AddRequests(values, (await bench.Server.Counters()).Since(before));
        bench.Results.Add(Name, dataset.Spec.Name, target.Name, "mount", round, mounting, values);
        await bench.Measure(Name, Epochs, round, target, dataset, ReaderMode.VerifiedFiles);
    }

    /// <summary>The plain client as a process of its own.</summary>
    internal static async Task Plain(Bench bench, Dataset dataset, int connections, int round, string step = Epochs, long sliceBytes = 0)
    {
        double serverCpu = bench.Server.Probe.CpuSeconds;
        string line = await Shell.Check(ReaderPool.Executable,
        [
            "plain", "--folder", bench.Options.Folder, "--data", dataset.Spec.FileName,
            "--port", bench.Server.Address.Port.ToString(CultureInfo.InvariantCulture),
            "--connections", connections.ToString(CultureInfo.InvariantCulture),
            "--slice", sliceBytes.ToString(CultureInfo.InvariantCulture),
            "--seed", Bench.SeedOf(Epochs, round).ToString(CultureInfo.InvariantCulture),
        ], TimeSpan.FromMinutes(10));
        PlainResult result = JsonSerializer.Deserialize<PlainResult>(line)!;
        bench.Results.Add(Name, dataset.Spec.Name, $"plain-{connections}", step, round, result.Seconds, new Dictionary<string, double>
        {
            ["files"] = dataset.Index.Count,
            ["bytes"] = result.Bytes,
            ["get"] = result.Requests,
            ["readerCpu"] = result.CpuSeconds,
            ["serverCpu"] = bench.Server.Probe.CpuSeconds - serverCpu,
        });
    }
}
