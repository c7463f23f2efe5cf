using System.Text.RegularExpressions;

namespace DataLayer.Sources.Odps;

/// <summary>
/// What the name of an exported file tells. Names of today begin with the id of the job that wrote them, which is a time
/// to the millisecond and a random part (<c>20250613080155495g6jtxahsztv3_M1_1_0_0-0_TableSink1</c>), so that later jobs
/// sort behind earlier ones. Older ones do not (<c>M1_0_0-0_TableSink1-0-.tsv.gz</c>) and overwrote each other.
/// </summary>
static partial class ExportName
{
    [GeneratedRegex("^(?<run>20[0-9]{15}[0-9a-z]{4,24})_", RegexOptions.CultureInvariant)]
    private static partial Regex Run();

    [GeneratedRegex("^[A-Z][0-9]+(_[0-9]+)+(-[0-9]+)?(_TableSink[0-9]+|\\.)", RegexOptions.CultureInvariant)]
    private static partial Regex OlderName();

    /// <summary>The exporting job; empty for a job of the older kind; null for a name that is no exporter's.</summary>
    public static string? RunOf(string name)
    {
        Match match = Run().Match(name);
        if (match.Success) return match.Groups["run"].Value;
        return OlderName().IsMatch(name) ? "" : null;
    }

    /// <summary>A job's id as a directory has it (<c>.odps/20170113224724561g9m6csz7/</c>).</summary>
    public static bool IsJobId(string name) => Run().IsMatch(name + "_");

    /// <summary>Markers and working files of the engines around: no data, in no table.</summary>
    public static bool IsIgnored(string name) =>
        name is "_SUCCESS" or "_temporary" || name.EndsWith("_$folder$", StringComparison.Ordinal)
        || name.StartsWith(".hive_staging", StringComparison.Ordinal) || name.StartsWith(".hive-staging", StringComparison.Ordinal);
}
