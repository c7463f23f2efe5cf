using System.Diagnostics;
using System.Globalization;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>What a directory takes on disk, holes left out.</summary>
internal static class DiskUsage
{
    /// <summary>Bytes in allocated blocks; du tells them, .NET does not.</summary>
    internal static long Of(string folder)
    {
        using Process du = Process.Start(new ProcessStartInfo("du", ["-s", "-B1", folder]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string text = du.StandardOutput.ReadToEnd();
        du.WaitForExit();
        return long.TryParse(text.AsSpan(0, Math.Max(0, text.IndexOf('\t'))), CultureInfo.InvariantCulture, out long bytes) ? bytes : 0;
    }
}
