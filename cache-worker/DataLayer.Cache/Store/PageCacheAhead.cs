using System.Globalization;

namespace DataLayer.Cache;

/// <summary>
/// Local-cold reads: when a file of a pack turns out to be on disk only, the whole pack is brought into memory, so that
/// the disk sees a queue of large requests instead of one small request for each reader that waits. Only while
/// everything in the store fits into memory, for then no byte is read twice; a store beyond it gets what it asks for.
/// </summary>
/// <param name="used">Bytes in the store.</param>
internal sealed class PageCacheAhead(Func<long> used) : IDisposable
{
    // Large requests: two keep a disk busy, and leave its queue short for those who wait for one file.
    const int Threads = 2;

    // Memory and store change slowly, and reading /proc/meminfo costs 30 microseconds.
    const int LookEvery = 5000;

    // The file system above keeps pages of its own for the same bytes.
    const int CopiesInMemory = 2;

    readonly DiskThreads _threads = new(Threads, "page cache");
    long _nextLook = long.MinValue;
    volatile bool _fits;

    /// <summary>Bytes of a block file were not in memory.</summary>
    public void Cold(BlockFile block)
    {
        if (block.IsPopulated && Fits() && block.TryBeginPopulate()) _threads.Start(block.Populate);
    }

    bool Fits()
    {
        long now = Environment.TickCount64, next = Volatile.Read(ref _nextLook);
        if (now >= next && Interlocked.CompareExchange(ref _nextLook, now + LookEvery, next) == next)
            _fits = used() * CopiesInMemory < Available("/proc/meminfo", "/sys/fs/cgroup/memory.max");
        return _fits;
    }

    public void Dispose() => _threads.Dispose();

    /// <summary>Bytes the kernel could give to page cache: MemAvailable, or this process's limit if that is less.</summary>
    internal static long Available(string meminfo, string limit)
    {
        try
        {
            string line = File.ReadLines(meminfo).First(text => text.StartsWith("MemAvailable:", StringComparison.Ordinal));
            long available = 1024 * long.Parse(line.AsSpan(13).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
            return File.Exists(limit) && long.TryParse(File.ReadAllText(limit), CultureInfo.InvariantCulture, out long most) ? Math.Min(available, most) : available;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or FormatException)
        {
            return 0; // No /proc in this container: then reads are as they come.
        }
    }
}
