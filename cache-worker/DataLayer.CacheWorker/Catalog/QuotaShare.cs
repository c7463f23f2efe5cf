namespace DataLayer.CacheWorker.Catalog;

/// <summary>
/// What one worker may hold of a dataset whose bytes are limited in the whole cluster, copies included: its share by capacity. A share that
/// shrinks does so at once; one that grows does so only when it has been that large for as long as all others take to learn of the change, so
/// that the shares in force never add up to more than the quota while workers come and go. Not safe for concurrent use.
/// </summary>
/// <param name="settle">Longer than an expiry and a heartbeat together.</param>
internal sealed class QuotaShare(TimeSpan settle)
{
    readonly List<(TimeSpan At, long Bytes)> _targets = [];
    long _held = -1;
    TimeSpan _first;

    /// <summary>The share in force now; to be called at every heartbeat and whenever the membership changes.</summary>
    /// <param name="quota">Bytes in the whole cluster.</param>
    /// <param name="part">This worker's part of the capacity, 0–1.</param>
    /// <param name="held">Bytes here now: a worker that starts keeps them, up to its share, and takes no more until the others know of it.</param>
    /// <param name="now">Of a clock that never goes back.</param>
    public long Update(long quota, double part, long held, TimeSpan now)
    {
        // Rounded down, with a byte in a million to spare: parts are rounded numbers, and what they add up to must not be more than one.
        long target = (long)(quota * Math.Clamp(part, 0, 1) * (1 - 1e-6));
        if (_held < 0) (_held, _first) = (held, now);
        if (_targets.Count == 0 || _targets[^1].Bytes != target) _targets.Add((now, target));
        // A target holds until the next one: the one before the first within the time of settling still counts.
        while (_targets.Count > 1 && now - _targets[1].At >= settle) _targets.RemoveAt(0);
        long share = _targets.Min(t => t.Bytes);
        return now - _first < settle ? Math.Min(share, _held) : share;
    }

    /// <summary>Why so much of a dataset cannot be pinned in the cluster; null when it can.</summary>
    /// <param name="bytes">Of the files to pin, once.</param>
    public static string? RefusePin(string dataset, long bytes, int copies, long? quota)
    {
        Int128 all = (Int128)bytes * copies;
        return quota is { } limit && all > limit
            ? $"dataset {dataset}: pinning {bytes} bytes in {copies} {(copies == 1 ? "copy" : "copies")} is more than its quota of {limit}; raise the quota or pin less"
            : null;
    }
}
