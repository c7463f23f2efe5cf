using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// The block directory of the process that owns the store: it holds the lock file, creates and unlinks block files, and
/// is the only one that does. One lock guards the books; the file operations under it are a create or an unlink.
/// </summary>
internal sealed class OwnedDirectory : IBlockDirectory
{
    readonly StorePaths _paths;
    readonly int _lock;
    readonly SpaceLedger _ledger;
    readonly long _reserve;
    readonly Action<string> _warn;
    readonly Lock _gate = new();
    long _evictions;
    int _registrationsVersion, _supersededVersion;
    bool _asking, _warnedOfReserve;
    int _closed;

    OwnedDirectory(StorePaths paths, int lockFile, long capacity, long reserve, Action<string> warn)
    {
        _paths = paths;
        _lock = lockFile;
        _reserve = reserve;
        _warn = warn;
        _ledger = new SpaceLedger(capacity, new Random());
    }

    /// <summary>Tells every holder of a block file, in this process and others, that it is gone.</summary>
    public event Action<BlockGrant, BlockFileId>? Evicted;

    /// <summary>Becomes the owner and reads the directory; null when another process is.</summary>
    /// <exception cref="IOException">The directory cannot be written.</exception>
    /// <exception cref="StoreException">It is of another format.</exception>
    public static OwnedDirectory? TryOpen(StorePaths paths, long capacity, long reserve, Action<string> warn)
    {
        int file = Libc.Open(paths.Lock, Libc.O_RDWR | Libc.O_CREAT | Libc.O_CLOEXEC, 0x180);
        if (file < 0) throw new IOException($"{paths.Lock}: {Libc.Describe(Libc.LastError)}");
        if (Libc.FLock(file, Libc.LOCK_EX | Libc.LOCK_NB) != 0)
        {
            Libc.Close(file);
            return null;
        }
        try
        {
            StoreFolder.Create(paths);
            OwnedDirectory directory = new(paths, file, capacity, reserve, warn);
            directory.Scan();
            return directory;
        }
        catch
        {
            Libc.Close(file);
            throw;
        }
    }

    void Scan()
    {
        StoreScan.Run(_paths, (id, tag, bytes) => _ledger.TryAdd(id, tag, bytes, out _));
        foreach (FileInfo dataset in new DirectoryInfo(_paths.Datasets).EnumerateFiles())
            if (DatasetTag.TryParse(dataset.Name, out DatasetTag tag)) _ledger.SetLastUse(tag, dataset.LastWriteTimeUtc);
        while (_ledger.Used > _ledger.Capacity && _ledger.TryPickAny(out BlockGrant victim)) Remove(victim, out _);
    }

    public StoreSpace Space
    {
        get { lock (_gate) return new StoreSpace(_ledger.Used, _ledger.Capacity, _ledger.BlockFiles, _evictions); }
    }

    public void Register(Registration registration)
    {
        lock (_gate)
        {
            _ledger.Register(registration);
            _registrationsVersion++;
        }
        NoteUse(registration);
    }

    public void Unregister(Registration registration)
    {
        lock (_gate)
        {
            _ledger.Unregister(registration);
            _registrationsVersion++;
        }
        NoteUse(registration);
    }

    void NoteUse(Registration registration)
    {
        // Only the order in which idle datasets give way hangs on it: a disk that refuses is reported where blocks are written.
        try { File.WriteAllText(_paths.Dataset(registration.Tag), registration.Dataset + "\n"); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { _warn($"{_paths.Datasets}: {e.Message}"); }
    }

    public ValueTask<BlockGrant?> OpenAsync(Registration registration, BlockSpec spec, bool admit, CancellationToken cancellation)
    {
        BlockGrant? grant = Open(registration, spec, admit, evenIfStale: false, out bool stale);
        return stale ? OpenAfterAskingAsync(registration, spec, cancellation) : new(grant);
    }

    async ValueTask<BlockGrant?> OpenAfterAskingAsync(Registration registration, BlockSpec spec, CancellationToken cancellation)
    {
        await FindSupersededAsync(cancellation);
        return Open(registration, spec, admit: true, evenIfStale: true, out _);
    }

    /// <param name="stale">Room is needed, and which blocks are superseded has to be found out first: nothing was done.</param>
    BlockGrant? Open(Registration registration, in BlockSpec spec, bool admit, bool evenIfStale, out bool stale)
    {
        stale = false;
        long need = spec.DiskBytes;
        // Twice: what the first round evicts may still be held by someone, or a file system may free it late.
        for (int round = 0; round < 2; round++)
        {
            List<(BlockGrant Grant, BlockFileId Id)> victims = [];
            lock (_gate)
            {
                if (_closed != 0) return null;
                if (_ledger.TryFind(spec.Id, out BlockGrant grant))
                {
                    grant = TakeOver(grant, registration, spec.Id);
                    _ledger.AddHolder(grant, 0);
                    return grant;
                }
                if (!admit) return null;
                long shortage = Shortage(need);
                if (shortage <= 0)
                {
                    Create(spec, registration.Tag);
                    _ledger.TryAdd(spec.Id, registration.Tag, need, out grant);
                    _ledger.AddHolder(grant, spec.Length);
                    return grant;
                }
                if (need > _ledger.Capacity) return null;
                if (_supersededVersion != _registrationsVersion && !evenIfStale)
                {
                    stale = true;
                    return null;
                }
                shortage -= _ledger.Doomed;
                while (shortage > 0 && _ledger.TryPickVictim(registration.Tag, need, out BlockGrant victim))
                {
                    victims.Add((victim, Remove(victim, out long bytes)));
                    shortage -= bytes;
                }
                _evictions += victims.Count;
            }
            if (victims.Count == 0) return null;
            // Outside the lock: holders close their descriptors now and come back here to say so.
            foreach ((BlockGrant victim, BlockFileId id) in victims) Evicted?.Invoke(victim, id);
        }
        return null;
    }

    /// <summary>Bytes missing for an admission, by the limit or by what must stay free on the disk.</summary>
    long Shortage(long need)
    {
        long overLimit = _ledger.Used + need - _ledger.Capacity;
        long free = new DriveInfo(_paths.Root).AvailableFreeSpace - _ledger.Unwritten - _reserve;
        if (need > free && !_warnedOfReserve)
        {
            _warnedOfReserve = true;
            _warn($"{_paths.Root}: the disk has less than {_reserve >> 20} MiB to spare, nothing more is cached until space is free");
        }
        return Math.Max(overLimit, need - free);
    }

    BlockGrant TakeOver(BlockGrant grant, Registration registration, BlockFileId id)
    {
        if (grant.Tag == registration.Tag || !_ledger.IsIdle(grant)) return grant;
        if (Libc.Rename(_paths.Sums(id, grant.Tag), _paths.Sums(id, registration.Tag)) != 0) return grant;
        return _ledger.Retag(grant, registration.Tag);
    }

    /// <summary>Asks every mount which blocks its snapshot contains: once after datasets came or went, when room is needed.</summary>
    async Task FindSupersededAsync(CancellationToken cancellation)
    {
        int version;
        Registration[] registrations;
        List<(BlockGrant Grant, BlockFileId Id)> blocks;
        lock (_gate)
        {
            // One asks; who comes meanwhile does without.
            if (_asking) return;
            _asking = true;
            (version, registrations, blocks) = (_registrationsVersion, _ledger.Registrations, _ledger.ListActive());
        }
        try
        {
            BlockFileId[] ids = [.. blocks.Select(block => block.Id)];
            bool[][] contained = await Task.WhenAll(registrations.Select(r => r.Contains(ids, cancellation).AsTask()));
            lock (_gate)
            {
                _ledger.SetSuperseded(blocks.Where((_, i) => !contained.Any(c => c[i])).Select(block => block.Grant));
                _supersededVersion = version;
            }
        }
        finally
        {
            lock (_gate) _asking = false;
        }
    }

    void Create(in BlockSpec spec, DatasetTag tag)
    {
        string sums = _paths.Sums(spec.Id, tag), data = _paths.Data(spec.Id);
        Span<byte> header = stackalloc byte[Sidecar.HeaderSize];
        Sidecar.WriteHeader(header, spec);
        int errno = CreateFile(sums, header, Sidecar.FileLength(spec.Units));
        if (errno == 0) errno = CreateFile(data, [], spec.Length);
        if (errno == 0) return;
        Libc.Unlink(sums);
        Libc.Unlink(data);
        throw new DiskException(errno, $"{_paths.Root}: {Libc.Describe(errno)}");
    }

    static int CreateFile(string path, ReadOnlySpan<byte> start, long length)
    {
        // Not O_EXCL: what has this name and is not in the books was left by an eviction that failed to unlink.
        Libc.Unlink(path);
        int file = Libc.Open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL | Libc.O_CLOEXEC, 0x180);
        if (file < 0) return Libc.LastError;
        int errno = Libc.FTruncate(file, length) == 0 ? Libc.WriteAt(file, start, 0) : Libc.LastError;
        Libc.Close(file);
        return errno;
    }

    BlockFileId Remove(BlockGrant grant, out long bytes)
    {
        if (!_ledger.TryRemove(grant, out BlockFileId id, out bytes)) return default;
        // Sidecar first: a crash in between leaves a data file without sidecar, which the next scan removes.
        Libc.Unlink(_paths.Sums(id, grant.Tag));
        Libc.Unlink(_paths.Data(id));
        return id;
    }

    public void Close(BlockGrant grant, BlockFileId id)
    {
        lock (_gate) _ledger.RemoveHolder(grant);
    }

    public void Wrote(BlockGrant grant, long bytes)
    {
        lock (_gate) _ledger.Wrote(grant, bytes);
    }

    public void Pin(BlockGrant grant, bool pinned)
    {
        lock (_gate) _ledger.Pin(grant, pinned ? 1 : -1);
    }

    public void Discard(BlockGrant grant, BlockFileId id)
    {
        lock (_gate)
        {
            if (!_ledger.TryFind(id, out BlockGrant current) || current.Serial != grant.Serial) return;
            Remove(current, out _);
        }
        Evicted?.Invoke(grant, id);
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_closed++ == 0) Libc.Close(_lock);
        }
        return ValueTask.CompletedTask;
    }
}
