using System.Text.Json.Serialization;
using DataLayer.Cache;

namespace DataLayer.CacheWorker.Serving;

sealed record DatasetsMessage(IReadOnlyList<DatasetMessage> Datasets);

/// <summary>GET /v1/snapshots/{id}/blocks/{block}/presence: bytes present, and which units.</summary>
sealed record PresenceMessage(int Units, int Present, long Bytes);

sealed record PeerMessage(string Name, bool Usable, long Failures, double? SmallP95Ms, double? LargeP95Ms);

/// <summary>GET /v1/status. Bytes unless the name says otherwise; counters only grow.</summary>
sealed record StatusMessage
{
    public required string Node { get; init; }
    public required string Zone { get; init; }
    public required int Protocol { get; init; }
    public required string Version { get; init; }
    public double UptimeSeconds { get; init; }
    public bool Draining { get; init; }
    public long CacheUsed { get; init; }
    public long CacheCapacity { get; init; }
    public long BlockFiles { get; init; }
    public long Evictions { get; init; }
    public long BadChecksums { get; init; }
    public long BytesFromSource { get; init; }
    public long SourceReads { get; init; }
    public long SourceErrors { get; init; }
    public long BytesFromPeers { get; init; }
    public long PeerReads { get; init; }
    public long BytesToPeers { get; init; }
    public long BytesToMounts { get; init; }
    public long Leases { get; init; }
    public IReadOnlyList<DatasetMessage> Datasets { get; init; } = [];
    public IReadOnlyList<PeerMessage> Peers { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DatasetsMessage))]
[JsonSerializable(typeof(PresenceMessage))]
[JsonSerializable(typeof(StatusMessage))]
sealed partial class WorkerJson : JsonSerializerContext
{
    /// <summary>For people.</summary>
    public static readonly WorkerJson Indented = new(new System.Text.Json.JsonSerializerOptions { PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.CamelCase, WriteIndented = true });
}
