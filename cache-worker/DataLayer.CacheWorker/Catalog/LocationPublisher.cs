using System.Globalization;
using DataLayer.Formats;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>
/// Tells Redis how much of each snapshot lies on this worker: all of it every time, so that nothing has to be noticed to be put
/// back. One caller at a time.
/// </summary>
internal sealed class LocationPublisher(RedisConnection redis, CatalogKeys keys, string worker, TimeSpan expiry)
{
    // A key lives this long after its last publication.
    const int LifeSeconds = 60;

    // One publication in as many takes out entries of workers that are gone.
    const int PruneEvery = 32;

    readonly HashSet<SnapshotId> _published = [];
    int _count;

    /// <exception cref="CatalogException"/>
    public async Task PublishAsync(IReadOnlyList<KeyValuePair<SnapshotId, long>> bytes, CancellationToken cancellation)
    {
        Dictionary<SnapshotId, long> now = new(bytes);
        foreach (SnapshotId gone in _published) now.TryAdd(gone, 0);
        string oldest = _count++ % PruneEvery == 0 ? Milliseconds(expiry * 2) : "0";
        await Task.WhenAll(now.GroupBy(pair => CatalogKeys.BucketOf(pair.Key)).Select(bucket => redis.RunAsync(CatalogScripts.Locate,
            [.. bucket.Select(pair => keys.Location(pair.Key))],
            [worker, LifeSeconds.ToString(CultureInfo.InvariantCulture), oldest, .. bucket.Select(pair => pair.Value.ToString(CultureInfo.InvariantCulture))], cancellation)));
        _published.Clear();
        foreach ((SnapshotId snapshot, long count) in now)
            if (count > 0) _published.Add(snapshot);
    }

    public static string Milliseconds(TimeSpan time) => ((long)time.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
}
