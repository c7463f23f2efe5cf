using System.Collections.Concurrent;

namespace DataLayer.Cache;

/// <summary>
/// Every fetch of the process that is queued, running, being written, or kept in memory because its block is not
/// admitted: the one place where two readers of the same unit meet. Safe for concurrent use.
/// </summary>
/// <param name="keepLimit">Bytes kept for blocks that are not admitted, so that a file read in pieces is fetched once.</param>
internal sealed class FetchTable(long keepLimit)
{
    readonly ConcurrentDictionary<UnitKey, Fetch> _fetches = new();
    readonly Queue<Fetch> _kept = new();
    readonly Lock _gate = new();
    long _keptBytes;

    /// <summary>Bytes kept although background work could use their memory.</summary>
    public long KeepAnyway => keepLimit / 2;

    public int Count => _fetches.Count;

    /// <summary>The fetch that has this unit, with a reference for the caller; null when there is none.</summary>
    public Fetch? TryJoin(in UnitKey key) =>
        _fetches.TryGetValue(key, out Fetch? fetch) && fetch.TryAddReference() ? fetch : null;

    public bool Contains(in UnitKey key) => _fetches.ContainsKey(key);

    /// <summary>
    /// Publishes a new fetch, cut at the first unit that another one has. False when that is its first unit.
    /// </summary>
    public bool TryAdd(Fetch fetch)
    {
        int count = 0;
        // Only the units counted here are removed by Remove, so the count is settled before anyone can see the fetch run.
        while (count < fetch.Count && _fetches.TryAdd(fetch.Key(count), fetch)) count++;
        if (count == 0) return false;
        fetch.SetCount(count);
        return true;
    }

    public void Remove(Fetch fetch)
    {
        for (int i = 0; i < fetch.Count; i++) _fetches.TryRemove(KeyValuePair.Create(fetch.Key(i), fetch));
    }

    /// <summary>Takes over the pipeline's reference of a completed fetch.</summary>
    public void Keep(Fetch fetch)
    {
        lock (_gate)
        {
            _kept.Enqueue(fetch);
            _keptBytes += fetch.Buffer!.Capacity;
        }
        while (TryDropOldest(keepLimit)) { }
    }

    /// <summary>Frees the memory of what was kept longest; false when no more than <paramref name="spare"/> bytes are kept.</summary>
    public bool TryDropOldest(long spare = 0)
    {
        Fetch? dropped;
        lock (_gate)
        {
            // In the order they came, used or not: a reader that moves forward wants the later ones.
            if (_keptBytes <= spare || !_kept.TryDequeue(out dropped)) return false;
            _keptBytes -= dropped.Buffer!.Capacity;
        }
        Remove(dropped);
        dropped.Release();
        return true;
    }
}
