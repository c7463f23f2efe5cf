using DataLayer.TestKit;

namespace DataLayer.EndToEnd.Tests.Holding;

/// <summary>A memory cgroup of its own, to have the kernel kill for want of memory. Both cgroup versions.</summary>
sealed class MemoryGroup : IDisposable
{
    static readonly bool IsFirst = Directory.Exists("/sys/fs/cgroup/memory");
    const int Room = 32 << 20;

    readonly string path = $"/sys/fs/cgroup/{(IsFirst ? "memory/" : "")}datalayer-test-{Guid.NewGuid():n}";

    public MemoryGroup()
    {
        if (!IsFirst) File.WriteAllText("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
        Directory.CreateDirectory(path);
    }

    string Processes => Path.Combine(path, "cgroup.procs");

    static string Limit => IsFirst ? "memory.limit_in_bytes" : "memory.max";

    /// <summary>Puts a process where memory runs out, with the highest score of all. Who takes over is not there.</summary>
    public void KillForMemory(int victim)
    {
        File.WriteAllText(Path.Combine(path, IsFirst ? "memory.limit_in_bytes" : "memory.max"), $"{Room}");
        File.WriteAllText($"/proc/{victim}/oom_score_adj", "1000");
        File.WriteAllText(Processes, $"{victim}");
        // Takes more than there is: first the victim is killed, and then itself, as that did not help enough.
        Shell.Bash("echo $$ > \"$1\"; head -c $2 /dev/zero | tail -c $2 > /dev/null", Processes, $"{Room * 2}");
    }

    public void Dispose()
    {
        for (int attempt = 0; attempt < 100 && File.ReadAllText(Processes).Length > 0; attempt++) Thread.Sleep(100);
        Directory.Delete(path);
    }
}
