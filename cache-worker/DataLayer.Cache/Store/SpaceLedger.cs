using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Who uses how much of the store, and who gives way: bookkeeping only, no file is touched here. Not safe for concurrent
/// use. Bytes are <see cref="BlockSpec.AdmittedBytes"/>, counted from admission until the file is gone and nobody holds it.
/// <para>
/// Space comes from superseded blocks, then from idle datasets (least recently used first), then from active datasets
/// above their weighted share if the asker is below its own; never from the asker itself. Epochs read everything in
/// random order, so a block that is in is worth as much as one that is not, and replacing one by the other only costs a
/// fetch: a dataset that does not fit keeps what it has.
/// </para>
/// </summary>
internal sealed class SpaceLedger(long capacity, Random random)
{
    struct Row
    {
        public BlockFileId Id;
        public long Bytes;
        public uint Generation;
        public int Dataset;
        /// <summary>Index in its dataset's list; -1 for a free row.</summary>
        public int Place;
    }

    /// <summary>What an open block file has beside its row; few are open at a time.</summary>
    sealed class Hold
    {
        public int Holders, Pins;
        public long Unwritten, Bytes;
    }

    sealed class DatasetSpace(DatasetTag tag)
    {
        public readonly DatasetTag Tag = tag;
        public readonly List<int> Rows = [];
        public readonly List<Registration> Registrations = [];
        public long Bytes;
        public DateTime LastUse;
        public bool IsActive => Registrations.Count > 0;
        public double Weight => Registrations.Count == 0 ? 0 : Registrations.Max(r => r.Weight);
    }

    readonly Dictionary<BlockFileId, int> _byId = [];
    readonly List<DatasetSpace> _datasets = [];
    readonly Dictionary<DatasetTag, int> _byTag = [];
    readonly Dictionary<ulong, Hold> _holds = [];
    readonly Queue<(int Row, uint Generation)> _superseded = [];
    readonly Stack<int> _free = [];
    Row[] _rows = [];
    int _rowCount;
    uint _generation;

    public long Capacity => capacity;
    public long Used { get; private set; }

    /// <summary>Evicted, but still held by someone: counted in <see cref="Used"/> until closed.</summary>
    public long Doomed { get; private set; }

    /// <summary>Bytes of admitted blocks that are not on disk yet.</summary>
    public long Unwritten { get; private set; }

    public int BlockFiles => _byId.Count;

    public void Register(Registration registration)
    {
        DatasetSpace dataset = _datasets[IndexOf(registration.Tag)];
        dataset.Registrations.Add(registration);
        dataset.LastUse = DateTime.UtcNow;
    }

    public void Unregister(Registration registration)
    {
        DatasetSpace dataset = _datasets[IndexOf(registration.Tag)];
        dataset.Registrations.Remove(registration);
        dataset.LastUse = DateTime.UtcNow;
    }

    public void SetLastUse(DatasetTag tag, DateTime utc) => _datasets[IndexOf(tag)].LastUse = utc;

    public Registration[] Registrations => [.. _datasets.SelectMany(d => d.Registrations)];

    int IndexOf(DatasetTag tag)
    {
        if (_byTag.TryGetValue(tag, out int index)) return index;
        _byTag.Add(tag, _datasets.Count);
        _datasets.Add(new DatasetSpace(tag));
        return _datasets.Count - 1;
    }

    /// <summary>Enters a block file that exists. False when it is there already.</summary>
    public bool TryAdd(BlockFileId id, DatasetTag tag, long bytes, out BlockGrant grant)
    {
        grant = default;
        if (!_byId.TryAdd(id, _free.TryPeek(out int row) ? row : row = _rowCount)) return false;
        if (!_free.TryPop(out _) && ++_rowCount > _rows.Length) Array.Resize(ref _rows, Math.Max(256, _rows.Length * 2));
        int dataset = IndexOf(tag);
        _rows[row] = new Row { Id = id, Bytes = bytes, Generation = ++_generation, Dataset = dataset, Place = _datasets[dataset].Rows.Count };
        _datasets[dataset].Rows.Add(row);
        _datasets[dataset].Bytes += bytes;
        Used += bytes;
        grant = GrantOf(row);
        return true;
    }

    public bool TryFind(BlockFileId id, out BlockGrant grant)
    {
        bool found = _byId.TryGetValue(id, out int row);
        grant = found ? GrantOf(row) : default;
        return found;
    }

    BlockGrant GrantOf(int row) => new((ulong)_rows[row].Generation << 32 | (uint)row, _datasets[_rows[row].Dataset].Tag);

    bool TryRow(BlockGrant grant, out int row)
    {
        row = (int)(uint)grant.Serial;
        return row < _rowCount && _rows[row].Place >= 0 && _rows[row].Generation == grant.Serial >> 32;
    }

    public void AddHolder(BlockGrant grant)
    {
        if (!_holds.TryGetValue(grant.Serial, out Hold? hold))
            _holds.Add(grant.Serial, hold = new Hold { Bytes = TryRow(grant, out int row) ? _rows[row].Bytes : 0 });
        hold.Holders++;
    }

    public void AddUnwritten(BlockGrant grant, long bytes)
    {
        if (!_holds.TryGetValue(grant.Serial, out Hold? hold)) return;
        hold.Unwritten += bytes;
        Unwritten += bytes;
    }

    /// <summary>More of a large file's bytes were admitted.</summary>
    public void Grow(BlockGrant grant, long bytes)
    {
        if (!TryRow(grant, out int row)) return;
        _rows[row].Bytes += bytes;
        _datasets[_rows[row].Dataset].Bytes += bytes;
        Used += bytes;
        if (_holds.TryGetValue(grant.Serial, out Hold? hold)) hold.Bytes += bytes;
    }

    /// <summary>Ends one use; the space of an evicted block file is free after the last.</summary>
    public void RemoveHolder(BlockGrant grant)
    {
        if (!_holds.TryGetValue(grant.Serial, out Hold? hold) || --hold.Holders > 0) return;
        _holds.Remove(grant.Serial);
        Unwritten -= hold.Unwritten;
        if (TryRow(grant, out _)) return;
        Used -= hold.Bytes;
        Doomed -= hold.Bytes;
    }

    public void Wrote(BlockGrant grant, long bytes)
    {
        if (!_holds.TryGetValue(grant.Serial, out Hold? hold)) return;
        bytes = Math.Min(bytes, hold.Unwritten);
        hold.Unwritten -= bytes;
        Unwritten -= bytes;
    }

    public void Pin(BlockGrant grant, int change)
    {
        if (_holds.TryGetValue(grant.Serial, out Hold? hold)) hold.Pins = Math.Max(0, hold.Pins + change);
    }

    /// <summary>Takes a block file out of the books; its space stays counted while it is held.</summary>
    public bool TryRemove(BlockGrant grant, out BlockFileId id, out long bytes)
    {
        (id, bytes) = (default, 0);
        if (!TryRow(grant, out int row)) return false;
        (id, bytes) = (_rows[row].Id, _rows[row].Bytes);
        _byId.Remove(id);
        Unlist(row);
        if (_holds.ContainsKey(grant.Serial)) Doomed += bytes;
        else Used -= bytes;
        _rows[row].Place = -1;
        _free.Push(row);
        return true;
    }

    void Unlist(int row)
    {
        DatasetSpace dataset = _datasets[_rows[row].Dataset];
        int last = dataset.Rows[^1];
        dataset.Rows[_rows[row].Place] = last;
        _rows[last].Place = _rows[row].Place;
        dataset.Rows.RemoveAt(dataset.Rows.Count - 1);
        dataset.Bytes -= _rows[row].Bytes;
    }

    /// <summary>Whether a block belongs to a dataset nobody reads any more, and so should pass to the one that reads it now.</summary>
    public bool IsIdle(BlockGrant grant) => TryRow(grant, out int row) && !_datasets[_rows[row].Dataset].IsActive;

    public BlockGrant Retag(BlockGrant grant, DatasetTag tag)
    {
        if (!TryRow(grant, out int row)) return grant;
        Unlist(row);
        int dataset = IndexOf(tag);
        _rows[row].Dataset = dataset;
        _rows[row].Place = _datasets[dataset].Rows.Count;
        _datasets[dataset].Rows.Add(row);
        _datasets[dataset].Bytes += _rows[row].Bytes;
        return GrantOf(row);
    }

    /// <summary>Block files of active datasets: the ones that may turn out superseded.</summary>
    public List<(BlockGrant Grant, BlockFileId Id)> ListActive() =>
        [.. _datasets.Where(d => d.IsActive).SelectMany(d => d.Rows).Select(row => (GrantOf(row), _rows[row].Id))];

    /// <summary>Block files that no registered snapshot contains: the first to go.</summary>
    public void SetSuperseded(IEnumerable<BlockGrant> grants)
    {
        _superseded.Clear();
        foreach (BlockGrant grant in grants)
            if (TryRow(grant, out int row)) _superseded.Enqueue((row, _rows[row].Generation));
    }

    /// <summary>The next block file to evict so that <paramref name="asker"/> may have <paramref name="need"/> bytes; false when it may not.</summary>
    public bool TryPickVictim(DatasetTag asker, long need, out BlockGrant victim)
    {
        while (_superseded.TryPeek(out var candidate))
        {
            victim = GrantOf(candidate.Row);
            bool present = _rows[candidate.Row].Place >= 0 && _rows[candidate.Row].Generation == candidate.Generation;
            if (present && !IsPinned(victim)) return true;
            _superseded.Dequeue();
        }
        int own = IndexOf(asker);
        foreach (DatasetSpace idle in _datasets.Where(d => !d.IsActive && d.Rows.Count > 0 && d.Tag != asker).OrderBy(d => d.LastUse))
            if (TryPickFrom(idle, out victim)) return true;

        if (_datasets[own].IsActive && _datasets[own].Bytes + need <= ShareOf(_datasets[own]))
        {
            foreach (DatasetSpace rich in _datasets.Where(d => d.IsActive && d.Tag != asker && d.Bytes > ShareOf(d)).OrderByDescending(d => d.Bytes - ShareOf(d)))
                if (TryPickFrom(rich, out victim)) return true;
        }
        victim = default;
        return false;
    }

    /// <summary>A victim for shrinking to the capacity, whoever has it: idle datasets first.</summary>
    public bool TryPickAny(out BlockGrant victim)
    {
        foreach (DatasetSpace dataset in _datasets.OrderBy(d => d.IsActive).ThenBy(d => d.LastUse))
            if (TryPickFrom(dataset, out victim)) return true;
        victim = default;
        return false;
    }

    double ShareOf(DatasetSpace dataset) => capacity * (dataset.Weight / _datasets.Sum(d => d.Weight));

    bool IsPinned(BlockGrant grant) => _holds.TryGetValue(grant.Serial, out Hold? hold) && hold.Pins > 0;

    bool TryPickFrom(DatasetSpace dataset, out BlockGrant victim)
    {
        victim = default;
        if (dataset.Rows.Count == 0) return false;
        // A random start, then in list order: pinned block files are few.
        int start = random.Next(dataset.Rows.Count);
        for (int i = 0; i < dataset.Rows.Count; i++)
        {
            victim = GrantOf(dataset.Rows[(start + i) % dataset.Rows.Count]);
            if (!IsPinned(victim)) return true;
        }
        return false;
    }
}
