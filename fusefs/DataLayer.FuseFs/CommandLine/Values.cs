using System.Globalization;
using System.Text.RegularExpressions;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>Parses and prints the values users type: sizes, durations, modes, sources.</summary>
static partial class Values
{
    [GeneratedRegex(@"^(?<number>\d+(\.\d+)?)\s*(?<unit>[KMGTP]?)(i?B)?$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex SizePattern();

    [GeneratedRegex(@"^(?<number>\d+(\.\d+)?)(?<unit>ms|s|m|h|d)$", RegexOptions.CultureInvariant)]
    private static partial Regex DurationPattern();

    /// <summary>"20GiB", "512M", "1.5T" or plain bytes; every unit is a power of 1024.</summary>
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        Match match = SizePattern().Match(text.Trim());
        if (!match.Success) return false;
        int power = match.Groups["unit"].Value.ToUpperInvariant() switch { "K" => 1, "M" => 2, "G" => 3, "T" => 4, "P" => 5, _ => 0 };
        double value = double.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture) * Math.Pow(1024, power);
        if (value >= long.MaxValue) return false;
        bytes = (long)value;
        return true;
    }

    /// <summary>"500ms", "30s", "5m", "2h", "1d".</summary>
    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = default;
        Match match = DurationPattern().Match(text.Trim());
        if (!match.Success) return false;
        double number = double.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture);
        double seconds = number * match.Groups["unit"].Value switch { "ms" => 0.001, "s" => 1, "m" => 60, "h" => 3600, _ => 86400 };
        if (seconds > TimeSpan.MaxValue.TotalSeconds / 2) return false;
        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    /// <summary>Octal permission bits, "444" or "0444".</summary>
    public static bool TryParseMode(string text, out int mode)
    {
        mode = 0;
        if (text.Length is 0 or > 5) return false;
        foreach (char c in text)
        {
            if (c is < '0' or > '7') return false;
            mode = mode * 8 + (c - '0');
        }
        return mode <= 0xFFF;
    }

    /// <summary>"2.24 GiB"; whole bytes below 1 KiB.</summary>
    public static string Size(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return unit == 0 ? $"{bytes} B" : $"{value:0.00} {units[unit]}";
    }
}

/// <summary>One SOURCE[=SUBPATH] of a command line.</summary>
/// <param name="Uri">What DataLayer.Sources opens.</param>
/// <param name="SubPath">Without leading or trailing '/'; empty for the root.</param>
sealed record SourceArgument(string Uri, string SubPath)
{
    /// <summary>
    /// The last '=' separates source and sub-path. A source whose own name holds a '=' (a partition directory such as
    /// /data/ds=1) is taken whole when it exists as a directory, and can always be written with a trailing '='.
    /// </summary>
    public static SourceArgument Parse(string text)
    {
        int separator = text.LastIndexOf('=');
        // The first '=' of the last pair of a query (nfs://server/export?version=4) is the query's own.
        int pair = text.Contains("://", StringComparison.Ordinal) ? text.LastIndexOfAny(['?', '&']) : -1;
        if (pair >= 0 && text.IndexOf('=', pair) == separator) separator = -1;
        if (separator < 0 || Directory.Exists(text)) return new SourceArgument(text, "");
        return new SourceArgument(text[..separator], text[(separator + 1)..].Trim('/'));
    }
}
