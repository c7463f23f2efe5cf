using System.Text.Json.Serialization;

namespace DataLayer.Cache;

/// <summary>GET /v1/datasets/{name}.</summary>
/// <param name="Snapshot">Null while it is being listed for the first time.</param>
/// <param name="Failure">Why there is none yet.</param>
internal sealed record DatasetMessage(string Name, long Generation, string? Snapshot, string? Failure);

/// <summary>POST /v1/datasets/{name}/token.</summary>
internal sealed record TokenMessage(string Token, string Node);

/// <summary>GET /v1/workers.</summary>
/// <param name="Node">The worker that answers.</param>
/// <param name="Authority">The certificates, in PEM form, by which the workers are known.</param>
internal sealed record WorkersMessage(string Node, IReadOnlyList<WorkerNode> Workers, string? Authority);

/// <summary>With every answer that is not a success.</summary>
internal sealed record ErrorMessage(string Error);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DatasetMessage))]
[JsonSerializable(typeof(TokenMessage))]
[JsonSerializable(typeof(ErrorMessage))]
[JsonSerializable(typeof(WorkersMessage))]
internal sealed partial class PeerJson : JsonSerializerContext;
