using System.Text.Json;

namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>One thing measured once, as it goes into the JSON report.</summary>
/// <param name="Step">What within the phase, where there are several.</param>
/// <param name="Values">Further numbers by name: seconds of processor time, bytes, requests.</param>
internal sealed record Measurement(
    string Phase, string Data, string Target, string Step, int Round, double Seconds, IReadOnlyDictionary<string, double> Values);

/// <summary>What could not be measured, and why.</summary>
internal sealed record Failure(string Phase, string Data, string Target, string Reason);

/// <summary>What a mount said of itself: the answer of `dl-fuse stats --json`.</summary>
internal sealed record Statement(string Phase, string Data, string Target, JsonElement Stats);

/// <summary>All measurements of a run, in order.</summary>
internal sealed class Results(TextWriter progress)
{
    private readonly List<Measurement> _measurements = [];
    private readonly List<Failure> _failures = [];
    private readonly List<Statement> _stats = [];

    internal IReadOnlyList<Measurement> Measurements => _measurements;
    internal IReadOnlyList<Failure> Failures => _failures;
    internal IReadOnlyList<Statement> Stats => _stats;

    internal void Add(string phase, string data, string target, string step, int round, double seconds, Dictionary<string, double>? values = null)
    {
        values ??= [];
        _measurements.Add(new Measurement(phase, data, target, step, round, seconds, values));
        string rate = values.TryGetValue("files", out double files) && files > 1 ? $"{files / seconds,9:N0} files/s"
            : values.TryGetValue("bytes", out double bytes) ? $"{bytes / seconds / 1e9,9:F2} GB/s" : "";
        progress.WriteLine($"  {data} {phase,-11} {target,-8} {step,-18} {round,2}  {seconds,9:F3} s {rate}");
    }

    /// <summary>Keeps what a mount says of itself at the end of a phase, as it says it.</summary>
    internal void Keep(string phase, string data, string target, JsonElement stats) => _stats.Add(new Statement(phase, data, target, stats));

    internal void Fail(string phase, string data, string target, string reason)
    {
        _failures.Add(new Failure(phase, data, target, reason));
        progress.WriteLine($"  {data} {phase,-11} {target,-8} failed: {reason}");
    }

    internal IEnumerable<Measurement> Of(string phase, string data, string target, string step) =>
        _measurements.Where(one => one.Phase == phase && one.Data == data && one.Target == target && one.Step == step);

    /// <summary>Median seconds, or null when it was not measured.</summary>
    internal double? Median(string phase, string data, string target, string step) =>
        MedianOf(Of(phase, data, target, step).Select(one => one.Seconds));

    internal double? Median(string phase, string data, string target, string step, string value) =>
        MedianOf(Of(phase, data, target, step).Where(one => one.Values.ContainsKey(value)).Select(one => one.Values[value]));

    internal static double? MedianOf(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0) return null;
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
