using System.Text.RegularExpressions;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>The mounts of this process's namespace.</summary>
internal static partial class MountTable
{
    /// <summary>Mount points at or below a folder, the innermost and latest first.</summary>
    internal static List<string> Below(string folder) =>
        [.. Points().Where(point => point == folder || point.StartsWith(folder + "/", StringComparison.Ordinal)).Reverse()];

    internal static bool Contains(string point) => Points().Contains(point);

    /// <summary>The filesystem type that holds a path.</summary>
    internal static string TypeOf(string path)
    {
        string best = "", type = "unknown";
        foreach (string line in File.ReadLines("/proc/self/mountinfo"))
        {
            string[] fields = line.Split(' ');
            string point = Unescape(fields[4]);
            bool holds = point == "/" || path == point || path.StartsWith(point + "/", StringComparison.Ordinal);
            if (!holds || point.Length < best.Length) continue;
            best = point;
            type = fields[Array.IndexOf(fields, "-") + 1];
        }

        return type;
    }

    private static IEnumerable<string> Points() => File.ReadLines("/proc/self/mountinfo").Select(line => Unescape(line.Split(' ')[4]));

    // mountinfo writes space, tab, newline and backslash as three octal digits (proc_pid_mountinfo(5)).
    private static string Unescape(string text) =>
        text.Contains('\\') ? Octal().Replace(text, match => ((char)Convert.ToInt32(match.Groups[1].Value, 8)).ToString()) : text;

    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex Octal();
}
