using DataLayer.TestKit;

namespace DataLayer.EndToEnd.Tests.Holding;

/// <summary>A memory cgroup of its own, to have the kernel kill for want of memory. Both cgroup versions.</summary>
sealed class MemoryGroup : IDisposable
{
    static readonly bool IsFirst = Directory.Exists("/sys/fs/cgroup/memory");
    readonly string path = $"/sys/fs/cgroup/{(IsFirst ? "memory/" : "")}datalayer-test-{Guid.NewGuid():n}";

    public MemoryGroup()
    {
        if (!IsFirst) File.WriteAllText("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
        Directory.CreateDirectory(path);
    }

    /// <summary>Also what they start from then on.</summary>
    public void Add(params int[] processes)
    {
        foreach (int process in processes) File.WriteAllText(Processes, $"{process}");
    }

    string Processes => Path.Combine(path, "cgroup.procs");

    string Limit => Path.Combine(path, IsFirst ? "memory.limit_in_bytes" : "memory.max");

    /// <summary>Leaves the group too little memory for what it has and a small process more, which kills its largest one.</summary>
    public void KillLargest(Func<bool> isKilled)
    {
        long anonymous = File.ReadLines(Path.Combine(path, "memory.stat"))
            .Where(static line => line.StartsWith(IsFirst ? "rss " : "anon ", StringComparison.Ordinal))
            .Sum(static line => long.Parse(line.Split(' ')[1]));
        // The kernel refuses a limit that is below what it cannot reclaim; page cache can be.
        Shell.Bash("for i in $(seq 50); do echo $2 > \"$1\" 2>/dev/null && exit 0; done; exit 1", Limit, $"{anonymous + (16 << 20)}").Checked.ToString();
        for (int round = 0; round < 200 && !isKilled(); round++)
            Shell.Bash("echo $$ > \"$1\"; head -c 24000000 /dev/zero | tail -c 24000000 > /dev/null", Processes);
        File.WriteAllText(Limit, IsFirst ? "-1" : "max");
    }

    public void Dispose()
    {
        for (int attempt = 0; attempt < 100 && File.ReadAllText(Processes).Length > 0; attempt++) Thread.Sleep(100);
        Directory.Delete(path);
    }
}
