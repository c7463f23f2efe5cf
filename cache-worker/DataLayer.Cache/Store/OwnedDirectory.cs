using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// The block directory of the process that owns the store: it holds the lock file, creates and unlinks block files, and
/// is the only one that does. One lock guards the books; the file operations under it are a create or an unlink.
/// </summary>
internal sealed class OwnedDirectory : IBlockDirectory
{
    // For the space of what was just evicted: its holders close it within a message's way, or they hang; then nobody else
    // waits for them for a while.
    static readonly TimeSpan HolderLimit = TimeSpan.FromMilliseconds(500);
    const int HangingHolders = 30_000;

    readonly StorePaths _paths;
    readonly int _lock;
    readonly SpaceLedger _ledger;
    readonly long _reserve;
    readonly Action<string> _warn;
    readonly Dictionary<ulong, AdmittedSteps> _steps = [];
    readonly Lock _gate = new();
    long _evictions;
    int _registrationsVersion, _supersededVersion;
    bool _warnedOfReserve;
    long _noWaitBefore = long.MinValue;
    Task? _asking;
    TaskCompletionSource _freed = new(TaskCreationOptions.RunContinuationsAsynchronously);
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
        StoreScan.Run(_paths, found =>
        {
            if (_ledger.TryAdd(found.Id, found.Tag, found.Bytes, out BlockGrant grant) && found.Steps != null) _steps.Add(grant.Serial, found.Steps);
        });
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
        long need = spec.AdmittedBytes;
        return AdmitAsync(registration.Tag, need, admit, create =>
        {
            if (_ledger.TryFind(spec.Id, out BlockGrant grant)) grant = TakeOver(grant, registration, spec.Id);
            else if (!create) return null;
            else
            {
                Create(spec, registration.Tag);
                _ledger.TryAdd(spec.Id, registration.Tag, need, out grant);
                if (!spec.IsPack) _steps.Add(grant.Serial, new AdmittedSteps(spec));
            }
            _ledger.AddHolder(grant);
            if (create && spec.IsPack) _ledger.AddUnwritten(grant, spec.Length);
            return grant;
        }, cancellation);
    }

    public async ValueTask<bool> AdmitStepAsync(Registration registration, BlockGrant grant, int step, CancellationToken cancellation)
    {
        AdmittedSteps? steps;
        lock (_gate)
        {
            if (!_steps.TryGetValue(grant.Serial, out steps) || (uint)step >= (uint)steps.Spec.Steps) return false;
        }
        long need = steps.Spec.StepBytes(step);
        return await AdmitAsync(registration.Tag, need, admit: true, create =>
        {
            if (!_steps.ContainsKey(grant.Serial)) return null; // Evicted meanwhile.
            if (steps.Has(step)) return grant;
            if (!create) return null;
            steps.Add(step);
            _ledger.Grow(grant, need);
            _ledger.AddUnwritten(grant, need);
            return grant;
        }, cancellation) != null;
    }

    /// <summary>Makes room for some bytes and takes them, if that may be.</summary>
    /// <param name="take">Called under the lock: with false for what needs no room, with true when there is room.</param>
    async ValueTask<BlockGrant?> AdmitAsync(DatasetTag asker, long need, bool admit, Func<bool, BlockGrant?> take, CancellationToken cancellation)
    {
        bool asked = false;
        // Several askers may wait for the same space: who comes too late waits for the next, but not for ever.
        long giveUp = Environment.TickCount64 + 2 * (long)HolderLimit.TotalMilliseconds;
        // Each round makes progress: asks the mounts once, evicts, or waits until a holder has closed.
        for (; ; )
        {
            List<(BlockGrant Grant, BlockFileId Id)> victims = [];
            Task? wait = null;
            lock (_gate)
            {
                if (_closed != 0) return null;
                if (take(false) is { } there) return there;
                if (!admit || need > _ledger.Capacity) return null;
                long shortage = Shortage(need);
                if (shortage <= 0) return take(true);
                if (_supersededVersion != _registrationsVersion && !asked)
                {
                    asked = true;
                    wait = _asking ??= Task.Run(FindSupersededAsync, CancellationToken.None);
                }
                else
                {
                    shortage -= _ledger.Doomed;
                    while (shortage > 0 && _ledger.TryPickVictim(asker, need, out BlockGrant victim))
                    {
                        victims.Add((victim, Remove(victim, out long bytes)));
                        shortage -= bytes;
                    }
                    _evictions += victims.Count;
                    if (victims.Count == 0)
                    {
                        if (shortage > 0 || Environment.TickCount64 >= giveUp || Environment.TickCount64 < _noWaitBefore) return null;
                        wait = _freed.Task.WaitAsync(HolderLimit, cancellation);
                    }
                }
            }
            // Outside the lock: holders close their descriptors now and come back here to say so.
            foreach ((BlockGrant victim, BlockFileId id) in victims) Evicted?.Invoke(victim, id);
            if (wait == null) continue;
            try { await wait.WaitAsync(cancellation); }
            catch (TimeoutException)
            {
                Volatile.Write(ref _noWaitBefore, Environment.TickCount64 + HangingHolders);
                return null;
            }
        }
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
    async Task FindSupersededAsync()
    {
        int version;
        Registration[] registrations;
        List<(BlockGrant Grant, BlockFileId Id)> blocks;
        lock (_gate) (version, registrations, blocks) = (_registrationsVersion, _ledger.Registrations, _ledger.ListActive());
        BlockFileId[] ids = [.. blocks.Select(block => block.Id)];
        bool[][] contained = await Task.WhenAll(registrations.Select(r => r.Contains(ids, CancellationToken.None).AsTask()));
        lock (_gate)
        {
            _ledger.SetSuperseded(blocks.Where((_, i) => !contained.Any(c => c[i])).Select(block => block.Grant));
            _supersededVersion = version;
            _asking = null;
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
        _steps.Remove(grant.Serial);
        // Sidecar first: a crash in between leaves a data file without sidecar, which the next scan removes.
        Libc.Unlink(_paths.Sums(id, grant.Tag));
        Libc.Unlink(_paths.Data(id));
        return id;
    }

    public void Close(BlockGrant grant, BlockFileId id)
    {
        lock (_gate)
        {
            long doomed = _ledger.Doomed;
            _ledger.RemoveHolder(grant);
            if (_ledger.Doomed == doomed) return;
            _freed.SetResult();
            _freed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
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
