using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Formats;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>
/// A dataset and its current snapshot, as every worker may know it: no source, no credential. Records of one dataset are ordered by
/// (<paramref name="Generation"/>, <paramref name="Revision"/>); a lower one never replaces a higher one, anywhere.
/// </summary>
/// <param name="Generation">Of the registration: whoever owns it raises it with every change.</param>
/// <param name="Revision">Of the snapshot within a generation: whoever lists the sources raises it with every new listing.</param>
/// <param name="Snapshot">Digest of the current manifest; null before the first listing.</param>
/// <param name="Bytes">Of all files of the snapshot.</param>
/// <param name="Files">Count.</param>
/// <param name="Removed">A tombstone: keeps an older registration from coming back.</param>
internal sealed record DatasetRecord(string Name, long Generation, long Revision, string? Snapshot, long Bytes, long Files, bool Removed = false)
{
    public const int LongestName = 255;

    // Nineteen digits hold every 64-bit number. Texts of equal length order as the numbers do, where a number in a script is a
    // double and would confuse those above 2⁵³.
    public const int OrderLength = 2 * 19 + 1;

    [JsonIgnore]
    public string Order => string.Create(CultureInfo.InvariantCulture, $"{Generation:D19}.{Revision:D19}");

    [JsonIgnore]
    public SnapshotId? SnapshotId => Snapshot != null && Digest.TryParse(Snapshot, out Digest id) ? new SnapshotId(id) : null;

    public bool IsNewerThan(DatasetRecord? other) => other == null || (Generation, Revision).CompareTo((other.Generation, other.Revision)) > 0;

    [JsonIgnore]
    public bool IsSound => Name is { Length: > 0 and <= LongestName } && !Name.Any(char.IsControl) && Generation >= 0 && Revision >= 0 && Bytes >= 0 && Files >= 0
        && (Snapshot == null || SnapshotId != null);

    /// <summary>The order, then JSON: scripts compare the first <see cref="OrderLength"/> characters.</summary>
    public string ToText() => $"{Order} {JsonSerializer.Serialize(this, CatalogJson.Default.DatasetRecord)}";

    /// <summary>Null for what no process of ours wrote.</summary>
    public static DatasetRecord? TryParse(string name, string text)
    {
        if (text.Length <= OrderLength) return null;
        try
        {
            DatasetRecord? record = JsonSerializer.Deserialize(text.AsSpan(OrderLength), CatalogJson.Default.DatasetRecord);
            return record != null && record.Name == name && record.IsSound && text.StartsWith(record.Order, StringComparison.Ordinal) ? record : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
