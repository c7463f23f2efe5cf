using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Who uses how much of the store, and who gives way: bookkeeping only, no file is touched here. Not safe for concurrent
/// use. Bytes are <see cref="BlockSpec.AdmittedBytes"/>, counted from admission until the file is gone and nobody holds it.
/// <para>
/// Space comes from superseded blocks, then from idle datasets (lowest priority, least recently used first), then from active
/// datasets of lower priority, then from active datasets of the same priority above their weighted share if the asker is below
/// its own; never from a pinned dataset, and never from the asker itself. Epochs read everything in random order, so a block
/// that is in is worth as much as one that is not, and replacing one by the other only costs a fetch: a dataset that does not
/// fit keeps what it has. Within a quota likewise: only its own superseded blocks give way.
/// </para>
/// </summary>
/// <param name="clock">UTC; null for the machine's.</param>
internal sealed class SpaceLedger(long capacity, Random random, Func<DateTime>? clock = null)
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
        /// <summary>Whose the block file was when it was evicted.</summary>
        public int Dataset;
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

    DateTime Now => clock == null ? DateTime.UtcNow : clock();

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
        dataset.LastUse = Now;
        dataset.Look(Now);
    }

    public void Unregister(Registration registration)
    {
        DatasetSpace dataset = _datasets[IndexOf(registration.Tag)];
        dataset.Registrations.Remove(registration);
        dataset.LastUse = Now;
        dataset.Look(Now);
    }

    public void SetLastUse(DatasetTag tag, DateTime utc) => _datasets[IndexOf(tag)].LastUse = utc;

    public Registration[] Registrations => [.. _datasets.SelectMany(d => d.Registrations)];

    /// <summary>Bytes of all datasets' pins but one's.</summary>
    public long PinnedBeside(DatasetTag tag) => _datasets.Where(d => d.Tag != tag).Sum(d => d.Policy.PinnedBytes);

    public void SetPolicy(DatasetTag tag, DatasetPolicy policy) => _datasets[IndexOf(tag)].Policy = policy;

    /// <summary>Bytes that a dataset would be over its quota with so many more; not positive when it may have them.</summary>
    /// <param name="doomed">Of those, bytes that come back when their holders close them.</param>
    public long OverQuota(DatasetTag tag, long more, out long doomed)
    {
        DatasetSpace dataset = _datasets[IndexOf(tag)];
        doomed = dataset.Doomed;
        return dataset.Over(more);
    }

    /// <summary>The dataset a block file is accounted to now.</summary>
    public DatasetTag TagOf(BlockGrant grant) => TryRow(grant, out int row) ? _datasets[_rows[row].Dataset].Tag : grant.Tag;

    /// <summary>Bytes accounted to a dataset, those of evicted block files that are still held included.</summary>
    public long BytesOf(DatasetTag tag) => _byTag.TryGetValue(tag, out int index) ? _datasets[index].Bytes + _datasets[index].Doomed : 0;

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
        _datasets[hold.Dataset].Doomed -= hold.Bytes;
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
        if (_holds.TryGetValue(grant.Serial, out Hold? hold))
        {
            Doomed += bytes;
            hold.Dataset = _rows[row].Dataset;
            _datasets[hold.Dataset].Doomed += bytes;
        }
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
    public bool IsIdle(BlockGrant grant)
    {
        if (!TryRow(grant, out int row)) return false;
        DatasetSpace dataset = _datasets[_rows[row].Dataset];
        dataset.Look(Now);
        return !dataset.IsActive && !dataset.IsPinned;
    }

    /// <summary>Unchanged when it would take the dataset over its quota.</summary>
    public BlockGrant Retag(BlockGrant grant, DatasetTag tag)
    {
        if (!TryRow(grant, out int row) || _datasets[IndexOf(tag)].Over(_rows[row].Bytes) > 0) return grant;
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
        [.. _datasets.Where(d => d.IsRegistered).SelectMany(d => d.Rows).Select(row => (GrantOf(row), _rows[row].Id))];

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
        DatasetSpace own = _datasets[IndexOf(asker)];
        own.Asks(Now);
        LookAtAll();
        if (TryPickIdle(own, out victim)) return true;
        bool mayPin = own.IsPinned && own.Bytes + need <= own.Policy.PinnedBytes;
        if (own.IsActive || mayPin)
        {
            foreach (DatasetSpace lower in _datasets.Where(d => d.IsActive && !d.IsPinned && d != own && d.Rows.Count > 0 && (mayPin || d.Policy.Priority < own.Policy.Priority)).OrderBy(d => d.Policy.Priority).ThenByDescending(d => d.Bytes))
                if (TryPickFrom(lower, out victim)) return true;
        }
        if (own.IsActive && !own.IsPinned)
        {
            double perWeight = ShareOfOne(own.Policy.Priority);
            if (own.Bytes + need <= perWeight * own.Weight)
            {
                foreach (DatasetSpace rich in _datasets.Where(d => d.IsActive && !d.IsPinned && d != own && d.Policy.Priority == own.Policy.Priority && d.Bytes > perWeight * d.Weight).OrderByDescending(d => d.Bytes - perWeight * d.Weight))
                    if (TryPickFrom(rich, out victim)) return true;
            }
        }
        victim = default;
        return false;
    }

    bool TryPickIdle(DatasetSpace asker, out BlockGrant victim)
    {
        foreach (DatasetSpace idle in _datasets.Where(d => !d.IsActive && !d.IsPinned && d.Rows.Count > 0 && d != asker).OrderBy(d => d.Policy.Priority).ThenBy(d => d.LastUse))
            if (TryPickFrom(idle, out victim)) return true;
        victim = default;
        return false;
    }

    /// <summary>A superseded block file of the dataset itself, to stay within its quota.</summary>
    public bool TryPickOwnSuperseded(DatasetTag tag, out BlockGrant victim)
    {
        int own = IndexOf(tag);
        foreach ((int row, uint generation) in _superseded)
        {
            victim = GrantOf(row);
            if (_rows[row].Place >= 0 && _rows[row].Generation == generation && _rows[row].Dataset == own && !IsPinned(victim)) return true;
        }
        victim = default;
        return false;
    }

    /// <summary>A victim of the dataset itself, for a quota that was lowered below what it has.</summary>
    public bool TryPickOwn(DatasetTag tag, out BlockGrant victim) => TryPickOwnSuperseded(tag, out victim) || TryPickFrom(_datasets[IndexOf(tag)], out victim);

    /// <summary>A victim for shrinking to the capacity, whoever has it: idle datasets first, pinned ones last.</summary>
    public bool TryPickAny(out BlockGrant victim)
    {
        LookAtAll();
        foreach (DatasetSpace dataset in _datasets.OrderBy(d => d.IsPinned).ThenBy(d => d.IsActive).ThenBy(d => d.Policy.Priority).ThenBy(d => d.LastUse))
            if (TryPickFrom(dataset, out victim)) return true;
        victim = default;
        return false;
    }

    /// <summary>Notices which datasets were read since the last look: often enough that last uses are right, and before anything hangs on them.</summary>
    public void LookAtAll()
    {
        DateTime now = Now;
        foreach (DatasetSpace dataset in _datasets)
            if (dataset.IsRegistered) dataset.Look(now);
    }

    /// <summary>Bytes that a weight of one may have among the active datasets of a priority, of what pinned and higher ones leave.</summary>
    double ShareOfOne(int priority)
    {
        double weights = 0, left = capacity;
        foreach (DatasetSpace dataset in _datasets)
        {
            if (dataset.IsPinned || (dataset.IsActive && dataset.Policy.Priority > priority)) left -= dataset.Bytes;
            else if (dataset.IsActive && dataset.Policy.Priority == priority) weights += dataset.Weight;
        }
        return Math.Max(0, left) / weights;
    }

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
