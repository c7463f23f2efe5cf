using DataLayer.Cache;
using DataLayer.Formats;

namespace DataLayer.CacheWorker.Datasets;

/// <summary>
/// One snapshot that this worker serves. It has two readers, which never wait for each other's fetches (see
/// <see cref="FetchLane"/>): one for blocks whose home is here and for whatever a peer asks, which reads sources; and one
/// for the mounts of this node, which asks the homes. Counted: closes with its last use.
/// </summary>
sealed class ServedSnapshot(string dataset, Manifest manifest, DatasetReader homes, DatasetReader copies)
{
    int _uses = 1;

    public string Dataset => dataset;
    public Manifest Manifest => manifest;
    public DatasetReader Homes => homes;
    public DatasetReader Copies => copies;
    public long LastUse = Environment.TickCount64;

    public bool TryAcquire()
    {
        for (int seen = Volatile.Read(ref _uses); seen > 0;)
        {
            int found = Interlocked.CompareExchange(ref _uses, seen + 1, seen);
            if (found == seen)
            {
                Volatile.Write(ref LastUse, Environment.TickCount64);
                return true;
            }
            seen = found;
        }
        return false;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _uses) == 0) _ = CloseAsync();
    }

    async Task CloseAsync()
    {
        await copies.DisposeAsync();
        await homes.DisposeAsync();
        manifest.Dispose();
        _closed.TrySetResult();
    }

    readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Closed => _closed.Task;

    /// <summary>The units of a block file; false when this snapshot does not have them.</summary>
    public bool TryLocate(BlockFileId block, int unit, int count, out UnitRange range)
    {
        range = default;
        if (unit < 0 || count < 1 || count > PeerProtocol.MaxUnits) return false;
        if (manifest.TryFindPack(block, out int pack))
        {
            if (count != 1 || unit >= manifest.GetPack(pack).FileCount) return false;
            range = new UnitRange(FilesOf(pack)[unit], unit, 1);
            return true;
        }
        if (!manifest.TryFindLargeFile(block, out EntryIndex entry)) return false;
        FileLocation file = manifest.Locate(entry);
        if (unit > BlockSpec.UnitsOf(file.Length) - count) return false;
        range = new UnitRange(file, unit, count);
        return true;
    }

    /// <summary>What the store knows a block file by; null when this snapshot does not have it.</summary>
    public BlockSpec? SpecOf(BlockFileId block)
    {
        if (manifest.TryFindPack(block, out int pack)) return _layout.GetPack(pack);
        return manifest.TryFindLargeFile(block, out EntryIndex entry) ? BlockSpec.Large(manifest.Locate(entry)) : null;
    }

    readonly ManifestLayout _layout = new(manifest);

    // Recomputing a pack's id costs 1.4 µs per file, and its files are asked for one after another.
    readonly (int Pack, FileLocation[] Files)[] _packs = new (int, FileLocation[])[16];
    readonly Lock _gate = new();

    FileLocation[] FilesOf(int pack)
    {
        int slot = pack % _packs.Length;
        lock (_gate)
        {
            if (_packs[slot].Files != null && _packs[slot].Pack == pack) return _packs[slot].Files;
        }
        FileLocation[] files = manifest.GetPackFiles(pack);
        lock (_gate) _packs[slot] = (pack, files);
        return files;
    }
}
