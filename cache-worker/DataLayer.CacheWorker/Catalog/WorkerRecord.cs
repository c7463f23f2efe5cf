using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Cache;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>A worker as Redis holds it, one JSON object.</summary>
/// <param name="Instance">Drawn at each start of the process: two processes under one name differ by it.</param>
internal sealed record WorkerRecord(string Name, string Zone, string Address, long Capacity, int Protocol, string Software, string Instance)
{
    public const int LongestText = 255;

    [JsonIgnore]
    public WorkerNode Node => new(Name, Zone, Address, Capacity, Protocol);

    public static WorkerRecord Of(WorkerNode node, string software, string instance) =>
        new(node.Name, node.Zone, node.Address, node.Capacity, node.Protocol, software, instance);

    public string ToJson() => JsonSerializer.Serialize(this, CatalogJson.Default.WorkerRecord);

    /// <summary>Null for what no worker of ours wrote.</summary>
    public static WorkerRecord? TryParse(string name, string json)
    {
        try
        {
            WorkerRecord? record = JsonSerializer.Deserialize(json, CatalogJson.Default.WorkerRecord);
            return record != null && record.Name == name && IsSound(record.Node) && record.Software != null && record.Instance != null ? record : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static bool IsSound(WorkerNode node) => node.Capacity >= 0 && IsText(node.Name) && node.Name.Length > 0 && IsText(node.Zone) && IsText(node.Address) && node.Address.Length > 0;

    static bool IsText(string? text) => text is { Length: <= LongestText } && !text.Any(char.IsControl);
}
