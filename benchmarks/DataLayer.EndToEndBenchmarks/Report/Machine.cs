using System.Globalization;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Report;

/// <summary>Where and of what a run was made.</summary>
internal sealed record Machine(
    string Kernel, int Processors, string Processor, double MemoryGiB, string Filesystem, string Commit, string Runtime, string StartedAt)
{
    internal static async Task<Machine> Describe(string folder) => new(
        File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
        Environment.ProcessorCount,
        Field("/proc/cpuinfo", "model name"),
        Math.Round(long.Parse(Field("/proc/meminfo", "MemTotal").Split(' ')[0], CultureInfo.InvariantCulture) / 1048576.0, 1),
        MountTable.TypeOf(Path.GetFullPath(folder)),
        await CurrentCommit(),
        Environment.Version.ToString(),
        DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));

    /// <summary>The commit of the sources, with a plus sign when they were changed since.</summary>
    private static async Task<string> CurrentCommit()
    {
        if (!Shell.IsInstalled("git")) return "unknown";
        string here = AppContext.BaseDirectory;
        (int code, string commit) = await Shell.Run("git", ["-C", here, "rev-parse", "--short=12", "HEAD"]);
        if (code != 0) return "unknown";
        (_, string changes) = await Shell.Run("git", ["-C", here, "status", "--porcelain", "--untracked-files=no"]);
        return commit.Trim() + (changes.Length > 0 ? "+" : "");
    }

    private static string Field(string path, string name) =>
        File.ReadLines(path).Where(line => line.StartsWith(name, StringComparison.Ordinal))
            .Select(line => line[(line.IndexOf(':') + 1)..].Trim()).FirstOrDefault("unknown");
}
