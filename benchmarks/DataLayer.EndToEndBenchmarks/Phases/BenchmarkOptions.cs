namespace DataLayer.EndToEndBenchmarks.Phases;

/// <summary>What one run of the benchmark does.</summary>
internal sealed record BenchmarkOptions
{
    /// <summary>Holds data sets (kept between runs) and everything temporary; on the disk that ext4 and our cache are measured on.</summary>
    public required string Folder { get; init; }

    /// <summary>Files of W1 and W2, bytes of W3.</summary>
    public int Files { get; init; } = 20_000;
    public int SmallFiles { get; init; } = 50_000;
    public long LargeBytes { get; init; } = 2L << 30;

    /// <summary>Which of w1, w2, w3 are measured.</summary>
    public IReadOnlyList<string> Data { get; init; } = ["w1", "w2", "w3"];
    public IReadOnlyList<string> Targets { get; init; } = ["ext4", "tmpfs", "dl-fuse"];

    /// <summary>Names of the phases to run; empty for all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];
    public int Rounds { get; init; } = 5;
    public int ColdRounds { get; init; } = 3;
    public int PeerRounds { get; init; } = 1;
    public int MemoryEpochs { get; init; } = 20;

    /// <summary>Processes that read at once.</summary>
    public int Readers { get; init; } = 8;
    public TimeSpan Latency { get; init; } = TimeSpan.FromMilliseconds(15);
    public long LinkBytesPerSecond { get; init; } = 1_000_000_000;

    /// <summary>No phase starts after this time.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromMinutes(60);
    public string Program { get; init; } = "";

    /// <summary>Further options for `dl-fuse mount`.</summary>
    public IReadOnlyList<string> MountOptions { get; init; } = [];

    internal bool Wants(string phase) => Only.Count == 0 || Only.Contains(phase);
}
