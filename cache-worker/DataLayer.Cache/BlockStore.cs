using System.Collections.Concurrent;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Bytes unless the name says otherwise.</summary>
/// <param name="BadChecksums">Units of this process's reads whose bytes did not match; each was fetched again.</param>
/// <param name="SyncedBlockFiles">Complete block files that this process forced to disk.</param>
/// <param name="Attached">Whether anything can be cached at present.</param>
public readonly record struct StoreStatistics(
    long Used, long Capacity, long BlockFiles, long Evictions, long BadChecksums, long SyncedBlockFiles, bool Attached, bool IsOwner);

/// <summary>
/// A directory of block files with a hard size limit, and what this process shares for reading and filling it. Safe for
/// concurrent use. Without a usable directory everything is read uncached.
/// </summary>
public sealed class BlockStore : IBlockSink, IAttachedStore, IAsyncDisposable
{
    readonly BlockStoreOptions _options;
    readonly StorePaths _paths;
    readonly OpenBlocks _open = new();
    readonly ConcurrentDictionary<BlockFileId, Task<BlockFile?>> _opening = new();
    // Reads that wait for the local disk at once: about as deep as the queue of an SSD must be to reach its throughput.
    const int DiskReads = 16;

    readonly BlockSync _sync;
    readonly BlockWriter _writer;
    readonly IStoreAttachment _attachment;
    readonly ConcurrentDictionary<string, DatasetPolicy> _policies = new();
    long _badChecksums, _synced;
    long _suspendedUntil = long.MinValue;
    int _warnedOfDisk, _closed;
    StoreSpace _lastSpace;

    BlockStore(BlockStoreOptions options, StorePaths paths, Func<BlockStore, IStoreAttachment> attach)
    {
        _options = options;
        _paths = paths;
        Buffers = new FetchBuffers(options.FetchMemory);
        Table = new FetchTable(keepLimit: options.FetchMemory / 3 * 2);
        _sync = new BlockSync(paths, errno => DiskFailed(Libc.Describe(errno)));
        _sync.Synced += _ => Interlocked.Increment(ref _synced);
        foreach ((string dataset, DatasetPolicy policy) in options.Policies) _policies[dataset] = policy;
        _writer = new BlockWriter(Table, _sync, this);
        _attachment = attach(this);
        PageCache = new PageCacheAhead(() => Space.Used);
    }

    /// <summary>A complete block file that a power loss can no longer take away.</summary>
    internal event Action<BlockFile> Synced { add => _sync.Synced += value; remove => _sync.Synced -= value; }

    internal FetchBuffers Buffers { get; }
    internal FetchTable Table { get; }
    internal PageCacheAhead PageCache { get; }
    internal DiskThreads Disk { get; } = new(DiskReads, "disk");
    internal BlockWriter Writer => _writer;
    internal ref long BadChecksums => ref _badChecksums;
    internal IStoreAttachment Attachment => _attachment;

    /// <summary>Opens the store, as owner or through the process that owns it.</summary>
    /// <exception cref="StoreException">The directory cannot be used at all; the message names the remedy.</exception>
    public static Task<BlockStore> OpenAsync(string directory, long capacity, CancellationToken cancellation) =>
        OpenAsync(new BlockStoreOptions { Directory = directory, Capacity = capacity }, cancellation);

    /// <inheritdoc cref="OpenAsync(string, long, CancellationToken)"/>
    public static async Task<BlockStore> OpenAsync(BlockStoreOptions options, CancellationToken cancellation)
    {
        options.Validate();
        StorePaths paths = new(Path.GetFullPath(options.Directory));
        return await StartAsync(new BlockStore(options, paths, store => new StoreAttachment(paths, options, store)), cancellation);
    }

    /// <summary>A mount's view of its worker's store: block files are read in place, through descriptors that the worker lends.</summary>
    /// <param name="socket">The worker's unix socket; null where no worker is on this node, and nothing is kept then.</param>
    internal static Task<BlockStore> OpenLentAsync(string? socket, Func<string?> token, Action<string> warn, CancellationToken cancellation)
    {
        BlockStoreOptions options = new() { Directory = socket ?? "/", Capacity = 1, Warn = warn };
        return StartAsync(new BlockStore(options, new StorePaths(options.Directory), store => new LentAttachment(socket, token, store)), cancellation);
    }

    static async Task<BlockStore> StartAsync(BlockStore store, CancellationToken cancellation)
    {
        try
        {
            await store._attachment.StartAsync(cancellation);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    IReadOnlyDictionary<string, DatasetPolicy> IAttachedStore.Policies => _policies;

    IBlockObserver IAttachedStore.Observer => Locations;

    /// <summary>How much of each snapshot is in this store; empty while another process owns it.</summary>
    public LocationIndex Locations { get; } = new();

    /// <summary>Changes what a dataset may take of the store. What it has beyond a lower quota is evicted before this returns.</summary>
    /// <returns>Why it cannot be (then nothing changes); null when it is in force.</returns>
    public string? SetPolicy(string dataset, DatasetPolicy policy)
    {
        // Another process may own the store, and this one may come to: then it counts.
        long pinned = _policies.Where(p => p.Key != dataset).Sum(p => p.Value.PinnedBytes);
        string? refusal = _attachment.Directory is OwnedDirectory owned ? owned.SetPolicy(dataset, policy) : policy.Refusal(dataset, _options.Capacity, pinned);
        if (refusal == null) _policies[dataset] = policy;
        return refusal;
    }

    /// <summary>Notices which datasets were read since the last call; for registrations that go idle (<see cref="DatasetOptions.IdleAfter"/>), every few seconds.</summary>
    public void NoteReads() => (_attachment.Directory as OwnedDirectory)?.NoteReads();

    void IAttachedStore.Attached(IBlockDirectory directory)
    {
        if (directory is not OwnedDirectory) ((IBlockObserver)Locations).Cleared();
        _open.RetireOthers(directory);
    }

    void IAttachedStore.Evicted(IBlockDirectory directory, BlockGrant grant, BlockFileId id)
    {
        _open.Retire(directory, id, grant.Serial);
        Evicted?.Invoke(grant, id);
    }

    /// <summary>A block file that is gone; whoever has it open closes it.</summary>
    internal event Action<BlockGrant, BlockFileId>? Evicted;

    internal StorePaths Paths => _paths;

    /// <summary>Bytes on disk, and the limit.</summary>
    public (long Used, long Capacity) Space
    {
        get
        {
            StoreStatistics statistics = Statistics;
            return (statistics.Used, statistics.Capacity);
        }
    }

    public StoreStatistics Statistics
    {
        get
        {
            IBlockDirectory? directory = _attachment.Directory;
            if (directory != null) _lastSpace = directory.Space;
            return new StoreStatistics(_lastSpace.Used, _lastSpace.Capacity, _lastSpace.BlockFiles, _lastSpace.Evictions,
                Interlocked.Read(ref _badChecksums), Interlocked.Read(ref _synced), directory != null && !IsSuspended, directory is OwnedDirectory);
        }
    }

    internal void Register(Registration registration) => _attachment.Register(registration);

    internal void Unregister(Registration registration) => _attachment.Unregister(registration);

    internal BlockFile? Find(BlockFileId id) => _open.Find(id);

    /// <summary>The block file, opened or admitted now; null when its bytes have to pass by uncached.</summary>
    internal ValueTask<BlockFile?> OpenBlockAsync(Registration registration, in BlockSpec spec, bool admit, CancellationToken cancellation)
    {
        BlockFile? open = _open.Find(spec.Id);
        if (open != null || _attachment.Directory == null) return new(open);
        return OpenSharedAsync(registration, spec, admit, cancellation);
    }

    /// <summary>Room for a unit of an open block file; false when its bytes have to pass by uncached.</summary>
    internal async ValueTask<bool> AdmitAsync(Registration registration, BlockFile block, int unit, CancellationToken cancellation)
    {
        if (block.IsAdmitted(unit)) return true;
        if (IsSuspended || !await block.Directory.AdmitStepAsync(registration, block.Grant, unit / BlockSpec.UnitsPerStep, cancellation)) return false;
        block.SetAdmitted(unit);
        return true;
    }

    async ValueTask<BlockFile?> OpenSharedAsync(Registration registration, BlockSpec spec, bool admit, CancellationToken cancellation)
    {
        // Readers of one pack arrive together: one of them asks.
        TaskCompletionSource<BlockFile?> mine = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<BlockFile?> opening = _opening.GetOrAdd(spec.Id, mine.Task);
        if (opening != mine.Task) return await opening.WaitAsync(cancellation);
        BlockFile? block = null;
        try
        {
            block = _open.Find(spec.Id) ?? await OpenNowAsync(registration, spec, admit, cancellation);
            return block;
        }
        finally
        {
            _opening.TryRemove(spec.Id, out _);
            mine.SetResult(block);
        }
    }

    async ValueTask<BlockFile?> OpenNowAsync(Registration registration, BlockSpec spec, bool admit, CancellationToken cancellation)
    {
        if (_attachment.Directory is not { } directory) return null;
        BlockGrant? granted;
        try
        {
            granted = await directory.OpenAsync(registration, spec, admit && !IsSuspended, cancellation);
        }
        catch (DiskException e)
        {
            DiskFailed(e.Message);
            return null;
        }
        if (granted is not { } grant) return null;
        BlockFile? block = BlockFile.Open(spec, directory, grant, out int errno);
        if (block != null)
        {
            _open.Add(block);
            // Another owner since: it does not know that this process holds the file.
            if (_attachment.Directory != directory) _open.Retire(block);
            return block;
        }
        directory.Close(grant, spec.Id);
        // Not ours, damaged or vanished: made anew at the next miss. Other errors say nothing about the file.
        if (errno is Libc.EINVAL or Libc.ENOENT or Libc.EIO) directory.Discard(grant, spec.Id);
        else DiskFailed(Libc.Describe(errno));
        return null;
    }

    internal bool IsSuspended => Environment.TickCount64 < Volatile.Read(ref _suspendedUntil);

    bool IBlockSink.IsSuspended => IsSuspended;

    void IBlockSink.Wrote(BlockFile block, long bytes) => block.Directory.Wrote(block.Grant, bytes);

    void IBlockSink.DiskFailed(int errno) => DiskFailed(Libc.Describe(errno));

    /// <summary>Reads go on uncached for a while; said once.</summary>
    public void DiskFailed(string reason)
    {
        Volatile.Write(ref _suspendedUntil, Environment.TickCount64 + (long)_options.RetryDisk.TotalMilliseconds);
        if (Interlocked.Exchange(ref _warnedOfDisk, 1) == 0)
            _options.Warn($"cache directory {_paths.Root}: {reason}; reading uncached, trying it again every {_options.RetryDisk.TotalSeconds:0.#} s");
    }

    /// <summary>Dispose the readers first.</summary>
    public ValueTask DisposeAsync() => CloseAsync(discard: false);

    /// <param name="discard">Lets go of what is not written yet, as a killed process would.</param>
    internal async ValueTask CloseAsync(bool discard)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0) return;
        while (Table.TryDropOldest()) { }
        _writer.Stop(discard);
        Disk.Dispose();
        PageCache.Dispose();
        _sync.Dispose();
        _open.RetireOthers(null);
        await _attachment.DisposeAsync();
        Buffers.Dispose();
    }
}
