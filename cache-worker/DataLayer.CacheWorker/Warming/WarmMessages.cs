using System.Text.Json.Serialization;

namespace DataLayer.CacheWorker.Warming;

/// <summary>POST /v1/datasets/{name}/warm.</summary>
/// <param name="Paths">Files or directories of the snapshot; none for everything.</param>
/// <param name="Bandwidth">Bytes per second over all workers; 0 for no limit.</param>
sealed record WarmRequest(IReadOnlyList<string> Paths, long Bandwidth);

/// <summary>The same with ?share=1, from the worker that spreads the work: only what the asked one is the home of.</summary>
/// <param name="Excluded">Workers that are out of reach: their blocks go to the next in the order.</param>
sealed record ShareRequest(string Snapshot, IReadOnlyList<string> Paths, long Bandwidth, IReadOnlyList<string> Excluded);

/// <summary>One line of the answer. Bytes; the last one is done or has an error.</summary>
sealed record WarmProgress(long Bytes, long TotalBytes, bool Done = false, string? Error = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(WarmRequest))]
[JsonSerializable(typeof(ShareRequest))]
[JsonSerializable(typeof(WarmProgress))]
sealed partial class WarmJson : JsonSerializerContext;
