using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// The block directory of the process that owns the store: it holds the lock file, creates and unlinks block files, and
/// is the only one that does. One lock guards the books; the file operations under it are a create or an unlink.
/// </summary>
internal sealed class OwnedDirectory : IBlockDirectory
{
    // For the space of what was just evicted: its holders close it within a message's way (a busy disk may keep an fsync of it
    // for a second), or they hang; then nobody else waits for them for a while.
    static readonly TimeSpan HolderLimit = TimeSpan.FromSeconds(2);
    const int HangingHolders = 30_000;

    // In the queue of those who need something evicted: a reader that would wait longer goes to the source.
    static readonly TimeSpan EvictionLimit = TimeSpan.FromSeconds(3);

    readonly StorePaths _paths;
    readonly int _lock;
    readonly SpaceLedger _ledger;
    readonly long _reserve;
    readonly Action<string> _warn;
    readonly IBlockObserver? _observer;
    readonly Dictionary<ulong, AdmittedSteps> _steps = [];
    readonly SemaphoreSlim _evicting = new(1);
    readonly Lock _gate = new();
    long _evictions;
    int _registrationsVersion, _supersededVersion;
    bool _warnedOfReserve;
    long _noWaitBefore = long.MinValue;
    TaskCompletionSource _freed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int _closed;

    OwnedDirectory(StorePaths paths, int lockFile, long capacity, long reserve, Action<string> warn, IBlockObserver? observer)
    {
        _paths = paths;
        _lock = lockFile;
        _reserve = reserve;
        _warn = warn;
        _observer = observer;
        _ledger = new SpaceLedger(capacity, new Random());
    }

    /// <summary>Tells every holder of a block file, in this process and others, that it is gone.</summary>
    public event Action<BlockGrant, BlockFileId>? Evicted;

    /// <summary>Becomes the owner and reads the directory; null when another process is.</summary>
    /// <exception cref="IOException">The directory cannot be written.</exception>
    /// <exception cref="StoreException">It is of another format.</exception>
    /// <param name="policies">By dataset; one that cannot be kept is told and left out.</param>
    /// <param name="observer">Told of every block file that is found, admitted, grown and removed, in this order, under the lock.</param>
    public static OwnedDirectory? TryOpen(StorePaths paths, long capacity, long reserve, Action<string> warn,
        IReadOnlyDictionary<string, DatasetPolicy>? policies = null, IBlockObserver? observer = null)
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
            OwnedDirectory directory = new(paths, file, capacity, reserve, warn, observer);
            observer?.Cleared();
            directory.Scan(policies ?? new Dictionary<string, DatasetPolicy>());
            return directory;
        }
        catch
        {
            Libc.Close(file);
            throw;
        }
    }

    void Scan(IReadOnlyDictionary<string, DatasetPolicy> policies)
    {
        StoreScan.Run(_paths, found =>
        {
            if (!_ledger.TryAdd(found.Id, found.Tag, found.Bytes, out BlockGrant grant)) return;
            if (found.Steps != null) _steps.Add(grant.Serial, found.Steps);
            _observer?.Changed(found.Id, found.Steps == null, found.ContentBytes);
        });
        foreach (FileInfo dataset in new DirectoryInfo(_paths.Datasets).EnumerateFiles())
            if (DatasetTag.TryParse(dataset.Name, out DatasetTag tag)) _ledger.SetLastUse(tag, dataset.LastWriteTimeUtc);
        foreach ((string dataset, DatasetPolicy policy) in policies)
            if (SetPolicy(dataset, policy) is { } refusal) _warn(refusal);
        while (_ledger.Used > _ledger.Capacity && _ledger.TryPickAny(out BlockGrant victim)) Remove(victim, out _);
    }

    /// <summary>What a dataset may take from now on. What it has beyond its quota is evicted before this returns.</summary>
    /// <returns>Why the policy cannot be kept; then the one before stays. Null when it is in force.</returns>
    public string? SetPolicy(string dataset, DatasetPolicy policy)
    {
        DatasetTag tag = DatasetTag.Of(dataset);
        List<(BlockGrant Grant, BlockFileId Id)> victims = [];
        lock (_gate)
        {
            if (policy.Refusal(dataset, _ledger.Capacity, _ledger.PinnedBeside(tag)) is { } refusal) return refusal;
            _ledger.SetPolicy(tag, policy);
            while (_ledger.OverQuota(tag, 0, out long doomed) - doomed > 0 && _ledger.TryPickOwn(tag, out BlockGrant victim)) victims.Add((victim, Remove(victim, out _)));
            _evictions += victims.Count;
        }
        foreach ((BlockGrant victim, BlockFileId id) in victims) Evicted?.Invoke(victim, id);
        return null;
    }

    /// <summary>Notices which datasets were read lately; to be called every few seconds where registrations go idle.</summary>
    public void NoteReads()
    {
        lock (_gate) _ledger.LookAtAll();
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
        return AdmitAsync(registration.Tag, registration.Tag, need, admit, create =>
        {
            if (_ledger.TryFind(spec.Id, out BlockGrant grant)) grant = TakeOver(grant, registration, spec.Id);
            else if (!create) return null;
            else
            {
                Create(spec, registration.Tag);
                _ledger.TryAdd(spec.Id, registration.Tag, need, out grant);
                if (!spec.IsPack) _steps.Add(grant.Serial, new AdmittedSteps(spec));
                else _observer?.Changed(spec.Id, true, spec.Length);
            }
            _ledger.AddHolder(grant);
            if (create && spec.IsPack) _ledger.AddUnwritten(grant, spec.Length);
            return grant;
        }, cancellation);
    }

    public async ValueTask<bool> AdmitStepAsync(Registration registration, BlockGrant grant, int step, CancellationToken cancellation)
    {
        AdmittedSteps? steps;
        DatasetTag owner;
        lock (_gate)
        {
            if (!_steps.TryGetValue(grant.Serial, out steps) || (uint)step >= (uint)steps.Spec.Steps) return false;
            owner = _ledger.TagOf(grant);
        }
        long need = steps.Spec.StepBytes(step);
        return await AdmitAsync(registration.Tag, owner, need, admit: true, create =>
        {
            if (!_steps.ContainsKey(grant.Serial)) return null; // Evicted meanwhile.
            if (steps.Has(step)) return grant;
            if (!create) return null;
            steps.Add(step);
            _ledger.Grow(grant, need);
            _ledger.AddUnwritten(grant, need);
            _observer?.Changed(steps.Spec.Id, false, steps.Spec.StepLengthOf(step));
            return grant;
        }, cancellation) != null;
    }

    /// <summary>Makes room for some bytes and takes them, if that may be.</summary>
    /// <param name="owner">Whose quota the bytes count against.</param>
    /// <param name="take">Called under the lock: with false for what needs no room, with true when there is room.</param>
    async ValueTask<BlockGrant?> AdmitAsync(DatasetTag asker, DatasetTag owner, long need, bool admit, Func<bool, BlockGrant?> take, CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (_closed != 0) return null;
            if (take(false) is { } there) return there;
            if (!admit || need > _ledger.Capacity) return null;
            long over = _ledger.OverQuota(owner, need, out long doomed);
            if (Shortage(need) <= 0 && over <= 0) return take(true);
            // A full cache of one dataset, or one at its quota: the common cases, and nothing to wait for.
            if (!IsStale && over > 0 && doomed == 0 && !_ledger.TryPickOwnSuperseded(owner, out _)) return null;
            if (!IsStale && over <= 0 && _ledger.Doomed == 0 && !_ledger.TryPickVictim(asker, need, out _)) return null;
        }
        // One at a time from here: what one evicts and waits for is not there for the next.
        if (!await _evicting.WaitAsync(EvictionLimit, cancellation)) return null;
        try
        {
            return await EvictAndTakeAsync(asker, owner, need, take, cancellation);
        }
        finally
        {
            _evicting.Release();
        }
    }

    async ValueTask<BlockGrant?> EvictAndTakeAsync(DatasetTag asker, DatasetTag owner, long need, Func<bool, BlockGrant?> take, CancellationToken cancellation)
    {
        bool asked = false, waited = false;
        // Each round makes progress: asks the mounts once, evicts, or waits once for holders to close.
        for (int round = 0; round < 4; round++)
        {
            List<(BlockGrant Grant, BlockFileId Id)> victims = [];
            Task? wait = null;
            lock (_gate)
            {
                if (_closed != 0) return null;
                if (take(false) is { } there) return there;
                long shortage = Shortage(need), over = _ledger.OverQuota(owner, need, out long doomed);
                if (shortage <= 0 && over <= 0) return take(true);
                (shortage, over) = (shortage - _ledger.Doomed, over - doomed);
                if (IsStale && !asked)
                {
                    asked = true;
                    wait = Task.Run(FindSupersededAsync, CancellationToken.None);
                }
                else if (shortage <= 0 && over <= 0)
                {
                    if (waited || Environment.TickCount64 < Volatile.Read(ref _noWaitBefore)) return null;
                    waited = true;
                    wait = _freed.Task.WaitAsync(HolderLimit, cancellation);
                }
                else
                {
                    // Nobody else's block makes room within a quota.
                    while (over > 0 && _ledger.TryPickOwnSuperseded(owner, out BlockGrant victim))
                    {
                        victims.Add((victim, Remove(victim, out long bytes)));
                        (shortage, over) = (shortage - bytes, over - bytes);
                    }
                    while (over <= 0 && shortage > 0 && _ledger.TryPickVictim(asker, need, out BlockGrant victim))
                    {
                        victims.Add((victim, Remove(victim, out long bytes)));
                        shortage -= bytes;
                    }
                    if (victims.Count == 0) return null;
                    _evictions += victims.Count;
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
        return null;
    }

    bool IsStale => _supersededVersion != _registrationsVersion;

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
        _observer?.Removed(id, !_steps.Remove(grant.Serial));
        // Sidecar first: a crash in between leaves a data file without sidecar, which the next scan removes.
        Libc.Unlink(_paths.Sums(id, grant.Tag));
        Libc.Unlink(_paths.Data(id));
        return id;
    }

    public int OpenFiles(BlockGrant grant, BlockFileId id, out BlockDescriptors files) => BlockDescriptors.Open(_paths, grant, id, readOnly: false, out files);

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
