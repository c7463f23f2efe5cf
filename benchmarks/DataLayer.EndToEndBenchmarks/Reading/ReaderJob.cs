namespace DataLayer.EndToEndBenchmarks.Reading;

/// <summary>What a reader process does between the opening of the gate and its answer.</summary>
internal enum ReaderMode
{
    /// <summary>Opens, reads and closes whole files in random order; checks that each has its size.</summary>
    Files,

    /// <summary>The same, and checks each file's CRC-32C.</summary>
    VerifiedFiles,

    /// <summary>Tries to read the first file of its share until it is there; then checks its CRC-32C.</summary>
    FirstFile,

    /// <summary>Reads one large file from front to back in 256 KiB reads, and checks one word per page.</summary>
    Sequential,

    /// <summary>The same, and checks every byte.</summary>
    VerifiedSequential,

    /// <summary>Maps one large file and touches each page once, in order; the touched word is checked.</summary>
    Mapped,

    /// <summary>Maps one large file and touches a quarter of its pages in random order, checked the same way.</summary>
    MappedScattered,

    /// <summary>pread of a quarter of one large file, 64 KiB at random offsets, and checks one word per page.</summary>
    Scattered,

    /// <summary>Runs a program with its output thrown away.</summary>
    Command,
}

/// <summary>One line to a reader process.</summary>
internal sealed record ReaderJob
{
    public required ReaderMode Mode { get; init; }

    /// <summary>A file that the pool holds locked until all readers may start.</summary>
    public required string Gate { get; init; }
    public string Index { get; init; } = "";
    public string Root { get; init; } = "";

    /// <summary>The order in which the files are read, shared out to readers 0 .. Readers - 1 in turn.</summary>
    public ulong Seed { get; init; }
    public int Reader { get; init; }
    public int Readers { get; init; } = 1;

    /// <summary>Of <see cref="ReaderMode.Command"/>: the program and its arguments.</summary>
    public string[] Arguments { get; init; } = [];
}

/// <summary>One line from a reader process.</summary>
internal sealed record ReaderAnswer
{
    /// <summary>When the last byte was read, on the monotonic clock that all processes share, in nanoseconds.</summary>
    public long EndedAt { get; init; }
    public long Files { get; init; }
    public long Bytes { get; init; }
    public double CpuSeconds { get; init; }
    public long Errors { get; init; }
    public string FirstError { get; init; } = "";
}
