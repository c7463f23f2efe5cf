namespace DataLayer.Fuse;

/// <summary>How requests travel between the kernel and this process.</summary>
public enum FuseTransportKind
{
    /// <summary>io_uring where the kernel offers it, else cloned descriptors, else the single descriptor.</summary>
    Auto,
    /// <summary>One /dev/fuse descriptor that all threads read.</summary>
    SingleDescriptor,
    /// <summary>Each thread reads its own clone of the descriptor (FUSE_DEV_IOC_CLONE). Survives kill -9 with a holder.</summary>
    ClonedDescriptors,
    /// <summary>FUSE over io_uring: one pinned thread and queue per CPU (protocol 7.42, module parameter enable_uring).</summary>
    IoUring,
}

public enum FuseLogLevel
{
    Information,
    Warning,
    Error,
}

/// <summary>One connection's settings; checked by <see cref="Validate"/> when the connection is made.</summary>
public sealed record FuseOptions
{
    /// <summary>First column of /proc/self/mounts, for people. Commas and backslashes are escaped.</summary>
    public string Source { get; init; } = "datalayer";

    /// <summary>The mount's type is shown as <c>fuse.SUBTYPE</c>; also how our own mounts are recognised.</summary>
    public string Subtype { get; init; } = "datalayer";

    /// <summary>Other users may enter the mount (as non-root: needs user_allow_other in /etc/fuse.conf).</summary>
    public bool AllowOther { get; init; }

    /// <summary>The kernel checks mode, uid and gid. Without it every user who may enter can read everything.</summary>
    public bool DefaultPermissions { get; init; } = true;

    public FuseTransportKind Transport { get; init; } = FuseTransportKind.Auto;

    /// <summary>Sets /sys/module/fuse/parameters/enable_uring (root; affects the machine) when io_uring is wanted and off.</summary>
    public bool EnableUring { get; init; }

    /// <summary>
    /// Threads that read /dev/fuse. 2: on 2 cores two cloned descriptors beat one and four (switching costs more than it
    /// gains, and handlers do not wait). Not used with io_uring, which has one per CPU.
    /// </summary>
    public int Threads { get; init; } = 2;

    /// <summary>
    /// Requests that may be in flight at once per CPU queue of io_uring; deferred ones count. Each holds address space for one
    /// payload of <see cref="MaxRead"/>, resident only once used. 16 keeps 2 CPUs at 32 in flight: twice what 8 readers with
    /// one read-ahead each need.
    /// </summary>
    public int RingEntries { get; init; } = 16;

    /// <summary>
    /// Most bytes of one read, a multiple of the page size. 1 MiB = 256 pages, the kernel's default limit
    /// (fs.fuse.max_pages_limit): one message instead of eight for a read-ahead window.
    /// </summary>
    public int MaxRead { get; init; } = 1 << 20;

    /// <summary>
    /// Read-ahead in bytes, set through /sys/class/bdi where permitted: INIT alone cannot exceed 128 KiB. 1 MiB: the first
    /// size where cached sequential reads stop gaining.
    /// </summary>
    public int ReadAhead { get; init; } = 1 << 20;

    /// <summary>Read-ahead requests in flight. 64 × 128 KiB keep a 1 GB/s link with 8 ms latency full.</summary>
    public int MaxBackground { get; init; } = 64;

    /// <summary>
    /// Bytes of memory for the payloads of deferred requests. 32 MiB: what 32 reads of 1 MiB need at once, and a fifth of the
    /// process's memory budget.
    /// </summary>
    public int PayloadPoolSize { get; init; } = 32 << 20;

    /// <summary>
    /// How deep a stack of filesystems may lie below passthrough: 1 = backing files on a disk filesystem, 2 = also on overlayfs
    /// (then this mount itself cannot be a layer of an overlayfs).
    /// </summary>
    public int PassthroughDepth { get; init; } = 1;

    /// <summary>Features never accepted from the kernel.</summary>
    public FuseFeatures DisabledFeatures { get; init; }

    /// <summary>The newest protocol minor to speak, 31 (Linux 5.4) to 45 (6.18).</summary>
    public int MaxMinor { get; init; } = FuseNegotiation.NewestMinor;

    /// <summary>Where log lines go; standard error by default.</summary>
    public Action<FuseLogLevel, string> Log { get; init; } =
        static (level, line) => Console.Error.WriteLine($"fuse: {level.ToString().ToLowerInvariant()}: {line}");

    /// <exception cref="ArgumentException">Names the first bad value.</exception>
    public void Validate()
    {
        Check(Threads is >= 1 and <= 64, nameof(Threads), Threads, "1 to 64");
        Check(RingEntries is >= 1 and <= 1024, nameof(RingEntries), RingEntries, "1 to 1024");
        Check(MaxRead is >= 4096 and <= 16 << 20 && MaxRead % 4096 == 0, nameof(MaxRead), MaxRead, "4096 to 16 MiB in multiples of 4096");
        Check(ReadAhead is >= 0 and <= 1 << 30, nameof(ReadAhead), ReadAhead, "0 to 1 GiB");
        Check(MaxBackground is >= 1 and <= ushort.MaxValue, nameof(MaxBackground), MaxBackground, "1 to 65535");
        Check(PayloadPoolSize >= MaxRead, nameof(PayloadPoolSize), PayloadPoolSize, "at least MaxRead");
        Check(PassthroughDepth is 1 or 2, nameof(PassthroughDepth), PassthroughDepth, "1 or 2");
        Check(MaxMinor is >= FuseNegotiation.OldestMinor and <= FuseNegotiation.NewestMinor, nameof(MaxMinor), MaxMinor, "31 to 45");
        Check(Subtype.Length > 0 && Subtype.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'), nameof(Subtype), Subtype, "letters, digits, '-', '_', '.'");
        Check(Source.Length is > 0 and <= 1024 && !Source.Contains('\0'), nameof(Source), Source, "1 to 1024 characters without NUL");
    }

    static void Check(bool valid, string name, object value, string allowed)
    {
        if (!valid) throw new ArgumentException($"{name} is '{value}'; allowed: {allowed}.", name);
    }
}
