using System.Globalization;

namespace DataLayer.FuseFs.Diagnosis;

/// <summary>Limits of this process and of the place it runs in.</summary>
static class MachineChecks
{
    // A block file each for a cache of a terabyte in packs and slices of 64 MiB.
    const long WantedFiles = 16_384;

    public static IEnumerable<Finding> Run(string mountPoint)
    {
        string limits = File.ReadAllText("/proc/self/limits");
        yield return Files(HardLimit(limits, "Max open files"));
        yield return Propagation(mountPoint, File.ReadAllLines("/proc/self/mountinfo"));
    }

    static Finding Files(long hard) => hard >= WantedFiles
        ? new Finding("open files", Verdict.Good, $"up to {Text(hard)}")
        : new Finding("open files", Verdict.Limited, $"at most {Text(hard)}: a large cache keeps more block files open than that", "raise it: LimitNOFILE=1048576 for a service, ulimit -Hn for a shell");

    /// <summary>A line: name, soft limit, hard limit, unit, in columns.</summary>
    internal static long HardLimit(string limits, string name)
    {
        string line = limits.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal));
        string hard = line[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return hard == "unlimited" ? long.MaxValue : long.Parse(hard, CultureInfo.InvariantCulture);
    }

    /// <param name="mountInfo">Lines of /proc/self/mountinfo.</param>
    internal static Finding Propagation(string mountPoint, IEnumerable<string> mountInfo)
    {
        string path = Path.GetFullPath(mountPoint);
        // proc(5): number, parent, device, root, mount point, options, then optional fields such as shared:N up to "-".
        string[]? around = mountInfo.Select(static line => line.Split(' ')).Where(static fields => fields.Length > 6)
            .Where(fields => path == fields[4] || path.StartsWith(fields[4].TrimEnd('/') + "/", StringComparison.Ordinal))
            .MaxBy(static fields => fields[4].Length);
        return around?.Skip(6).TakeWhile(static field => field != "-").Any(static field => field.StartsWith("shared:", StringComparison.Ordinal)) == true
            ? new Finding("propagation", Verdict.Good, $"mounts below {path} are seen in other mount namespaces")
            : new Finding("propagation", Verdict.Limited, $"mounts below {path} stay in this mount namespace; that matters only to containers", "mount --make-rshared /; in Kubernetes mountPropagation: Bidirectional");
    }

    static string Text(long limit) => limit == long.MaxValue ? "any number" : limit.ToString("N0", CultureInfo.InvariantCulture);
}
