using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.FuseFs.Control;

/// <summary>One line of JSON from the command line to the mount.</summary>
sealed record ControlRequest
{
    public required string Command { get; init; }

    /// <summary>For "warm": paths below the mount's root, '/'-separated; none means everything.</summary>
    public IReadOnlyList<string> Paths { get; init; } = [];
}

/// <summary>One line of JSON back; "warm" sends several, the last with <see cref="Done"/>.</summary>
sealed record WarmProgress
{
    public long Files { get; init; }
    public long Bytes { get; init; }
    public long TotalBytes { get; init; }
    public bool Done { get; init; }
    public string? Error { get; init; }
}

/// <summary>What `dl-fuse stats` shows. Bytes and counts since the mount began, unless the name says otherwise.</summary>
sealed record MountStats
{
    public required string Snapshot { get; init; }

    /// <summary>Since the listing that made the snapshot was finished, as far as known: a snapshot file's age otherwise.</summary>
    public double SnapshotAgeSeconds { get; init; }
    public IReadOnlyList<string> Sources { get; init; } = [];
    public long Files { get; init; }
    public long DatasetBytes { get; init; }
    public long Hits { get; init; }
    public long Misses { get; init; }
    public long BytesFromCache { get; init; }
    public long BytesFromSource { get; init; }
    public long SourceReads { get; init; }
    public long SourceErrors { get; init; }
    public long StaleFiles { get; init; }
    public long CacheUsedBytes { get; init; }
    public long CacheCapacityBytes { get; init; }
    public long RefreshFailures { get; init; }
    public string Transport { get; init; } = "";
    public string OpenMode { get; init; } = "";

    /// <summary>Files that the kernel reads from their block files by itself now.</summary>
    public int PassthroughFiles { get; init; }

    /// <summary>Kernel requests by operation name.</summary>
    public IReadOnlyDictionary<string, long> Requests { get; init; } = new Dictionary<string, long>();
    public int Pid { get; init; }
    public double UptimeSeconds { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(WarmProgress))]
[JsonSerializable(typeof(MountStats))]
[JsonSerializable(typeof(CommandLine.SnapshotSummary))]
[JsonSerializable(typeof(CommandLine.CheckSummary))]
[JsonSerializable(typeof(Holding.HoldStatus))]
[JsonSerializable(typeof(List<Diagnosis.Finding>))]
sealed partial class ControlJson : JsonSerializerContext
{
    /// <summary>The same contracts, indented for people and logs.</summary>
    public static readonly ControlJson Indented = new(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true });
}
