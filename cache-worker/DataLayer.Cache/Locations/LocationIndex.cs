using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// How many bytes of each tracked snapshot a store holds: kept along with admissions and evictions, counted anew for a snapshot that
/// arrives. Bytes are those of files whose block was admitted; a pack that is being filled counts whole. Safe for concurrent use.
/// <para>
/// The store only queues what happens to it; whoever reads pays for it: one search in each tracked snapshot per block, about a
/// microsecond. A block is known by the first eight bytes of its digest, so that 500,000 packs take 14 MB: two alike would miscount
/// one of them, and with a million packs that is a matter of one in 37 million.
/// </para>
/// </summary>
public sealed class LocationIndex : IBlockObserver
{
    // What a busy store admits in a minute or so. Beyond it somebody has to take it in, read or not.
    const int LongestQueue = 64 << 10;

    readonly record struct Change(BlockFileId Block, bool IsPack, long Bytes, bool IsRemoval);

    sealed class Tracked(ISnapshotBlocks blocks)
    {
        public readonly ISnapshotBlocks Blocks = blocks;
        public long Bytes;
    }

    readonly Lock _gate = new(), _queueGate = new();
    readonly Dictionary<ulong, uint> _packs = [];
    readonly Dictionary<BlockFileId, long> _large = [];
    readonly Dictionary<SnapshotId, Tracked> _snapshots = [];
    List<Change> _queue = [], _spare = [];
    bool _cleared, _taking;

    /// <summary>Counts what the store has of this snapshot, and goes on counting until <see cref="Untrack"/>, which has to come before the manifest is disposed of.</summary>
    public void Track(SnapshotId snapshot, Manifest manifest) => Track(snapshot, new ManifestLayout(manifest));

    internal void Track(SnapshotId snapshot, ISnapshotBlocks blocks)
    {
        lock (_gate)
        {
            TakeIn();
            if (_snapshots.ContainsKey(snapshot)) return;
            Tracked tracked = new(blocks);
            // Looking each pack of the snapshot up takes a tenth of searching each block of the store in the snapshot.
            for (int pack = 0; pack < blocks.PackCount; pack++)
                if (_packs.TryGetValue(blocks.GetPackId(pack).Value.A, out uint bytes)) tracked.Bytes += bytes;
            foreach ((BlockFileId block, long bytes) in _large)
                if (blocks.Contains(block)) tracked.Bytes += bytes;
            _snapshots.Add(snapshot, tracked);
        }
    }

    public void Untrack(SnapshotId snapshot)
    {
        lock (_gate) _snapshots.Remove(snapshot);
    }

    /// <summary>Bytes of each tracked snapshot as of now.</summary>
    public KeyValuePair<SnapshotId, long>[] Read()
    {
        lock (_gate)
        {
            TakeIn();
            return [.. _snapshots.Select(s => new KeyValuePair<SnapshotId, long>(s.Key, s.Value.Bytes))];
        }
    }

    /// <summary>Bytes of one snapshot as of now; null when it is not tracked.</summary>
    public long? Find(SnapshotId snapshot)
    {
        lock (_gate)
        {
            TakeIn();
            return _snapshots.TryGetValue(snapshot, out Tracked? tracked) ? tracked.Bytes : null;
        }
    }

    void TakeIn()
    {
        List<Change> changes;
        lock (_queueGate)
        {
            if (_cleared)
            {
                _packs.Clear();
                _large.Clear();
                foreach (Tracked tracked in _snapshots.Values) tracked.Bytes = 0;
                _cleared = false;
            }
            if (_queue.Count == 0) return;
            (changes, _queue) = (_queue, _spare);
        }
        _packs.EnsureCapacity(_packs.Count + changes.Count);
        foreach (Change change in changes)
        {
            long bytes = Apply(change);
            if (bytes == 0) continue;
            foreach (Tracked tracked in _snapshots.Values)
                if (tracked.Blocks.Contains(change.Block)) tracked.Bytes += bytes;
        }
        changes.Clear();
        // A scan of a whole store leaves a list of its size behind; what is usual is kept.
        if (changes.Capacity > LongestQueue) changes.Capacity = 0;
        _spare = changes;
    }

    /// <summary>Enters one change; returns by how much the bytes of the block changed.</summary>
    long Apply(in Change change)
    {
        if (change.IsPack)
        {
            if (!change.IsRemoval) return _packs.TryAdd(change.Block.Value.A, (uint)change.Bytes) ? change.Bytes : 0;
            return _packs.Remove(change.Block.Value.A, out uint pack) ? -(long)pack : 0;
        }
        if (change.IsRemoval) return _large.Remove(change.Block, out long gone) ? -gone : 0;
        _large[change.Block] = _large.GetValueOrDefault(change.Block) + change.Bytes;
        return change.Bytes;
    }

    void IBlockObserver.Cleared()
    {
        lock (_queueGate)
        {
            _queue.Clear();
            _cleared = true;
        }
    }

    void IBlockObserver.Changed(BlockFileId block, bool isPack, long bytes) => Enqueue(new Change(block, isPack, isPack ? Math.Min(bytes, uint.MaxValue) : bytes, false));

    void IBlockObserver.Removed(BlockFileId block, bool isPack) => Enqueue(new Change(block, isPack, 0, true));

    void Enqueue(in Change change)
    {
        lock (_queueGate)
        {
            _queue.Add(change);
            if (_queue.Count < LongestQueue || _taking) return;
            _taking = true;
        }
        // Not here: the store holds its lock.
        ThreadPool.UnsafeQueueUserWorkItem(static index => index.TakeInLater(), this, preferLocal: false);
    }

    void TakeInLater()
    {
        lock (_gate)
        {
            TakeIn();
            lock (_queueGate) _taking = false;
        }
    }
}
