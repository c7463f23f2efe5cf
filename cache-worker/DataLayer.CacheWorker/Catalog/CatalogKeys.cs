using DataLayer.Formats;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>Names of the keys; what they hold is told at <see cref="CatalogScripts"/>.</summary>
internal sealed class CatalogKeys(string prefix)
{
    public string Workers { get; } = $"{{{prefix}}}:workers";
    public string Beats { get; } = $"{{{prefix}}}:beats";
    public string State { get; } = $"{{{prefix}}}:state";
    public string Datasets { get; } = $"{{{prefix}}}:datasets";

    public static int BucketOf(SnapshotId snapshot) => (int)(snapshot.Value.A % CatalogScripts.Buckets);

    public string Location(SnapshotId snapshot) => $"{{{prefix}:{BucketOf(snapshot)}}}:at:{snapshot}";
}
