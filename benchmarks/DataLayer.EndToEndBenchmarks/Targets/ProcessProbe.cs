using System.Globalization;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>What /proc tells of one process.</summary>
internal sealed class ProcessProbe(int pid)
{
    // USER_HZ, which the kernel's ABI fixes at 100 on every architecture .NET runs on.
    private const double TicksPerSecond = 100;

    internal int Pid => pid;

    /// <summary>User and system time of all threads; the kernel scales it to the exact run time, in steps of 10 ms.</summary>
    internal double CpuSeconds
    {
        get
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            // The second field is the name in parentheses, which may hold spaces: fields are counted behind it.
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
        }
    }

    /// <summary>A line of status in bytes, such as RssAnon or RssFile.</summary>
    internal long Memory(string field) => Status($"/proc/{pid}/status", field) * 1024;

    /// <summary>
    /// How often each of its threads, by thread id, gave up the processor to wait. An idle daemon's counts stand still; what
    /// a thread counted is gone when it ends.
    /// </summary>
    internal Dictionary<string, long> WakeUps()
    {
        var counts = new Dictionary<string, long>();
        foreach (string task in Directory.GetDirectories($"/proc/{pid}/task"))
        {
            try
            {
                counts[task] = Status(task + "/status", "voluntary_ctxt_switches");
            }
            catch (IOException)
            {
                // The thread ended between the listing and this read.
            }
        }

        return counts;
    }

    private static long Status(string path, string field)
    {
        foreach (string line in File.ReadLines(path))
        {
            if (line.StartsWith(field + ":", StringComparison.Ordinal))
                return long.Parse(line.AsSpan(field.Length + 1).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
        }

        return 0;
    }
}
