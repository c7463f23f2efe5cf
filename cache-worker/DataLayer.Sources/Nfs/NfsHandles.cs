namespace DataLayer.Sources.Nfs;

/// <summary>
/// File handles by key, so that a read need not walk the path. A handle may outlive what it stands for: whoever uses one
/// compares the file's identity, and looks the path up afresh before calling anything changed. Two generations stand in
/// for a least-recently-used order. Safe for concurrent use.
/// </summary>
internal sealed class NfsHandles
{
    /// <summary>Entries of one generation: with keys of 60 bytes and handles of 40 about 2 MB.</summary>
    const int Generation = 8192;

    readonly Lock _sync = new();
    Dictionary<byte[], byte[]> _young = new(ByteKeyComparer.Instance);
    Dictionary<byte[], byte[]> _old = new(ByteKeyComparer.Instance);

    public bool TryGet(ReadOnlySpan<byte> key, out byte[] handle)
    {
        lock (_sync)
        {
            if (_young.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(key, out handle!)) return true;
            if (!_old.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(key, out handle!)) return false;
            Put(key, handle);
            return true;
        }
    }

    public void Set(ReadOnlySpan<byte> key, byte[] handle)
    {
        lock (_sync) Put(key, handle);
    }

    public void Remove(ReadOnlySpan<byte> key)
    {
        lock (_sync)
        {
            _young.GetAlternateLookup<ReadOnlySpan<byte>>().Remove(key);
            _old.GetAlternateLookup<ReadOnlySpan<byte>>().Remove(key);
        }
    }

    public void Clear()
    {
        lock (_sync)
        {
            _young.Clear();
            _old.Clear();
        }
    }

    void Put(ReadOnlySpan<byte> key, byte[] handle)
    {
        if (_young.Count >= Generation) (_old, _young) = (_young, new Dictionary<byte[], byte[]>(ByteKeyComparer.Instance));
        _young.GetAlternateLookup<ReadOnlySpan<byte>>()[key] = handle;
    }
}
