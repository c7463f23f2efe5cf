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
public sealed class BlockStore : IBlockSink, IAsyncDisposable
{
    // How long a disk that refused is left alone: long enough not to hammer it, short enough that a cleaned-up disk is used soon.
    static readonly TimeSpan RetryDisk = TimeSpan.FromSeconds(30);

    readonly BlockStoreOptions _options;
    readonly StorePaths _paths;
    readonly OpenBlocks _open = new();
    readonly ConcurrentDictionary<BlockFileId, Task<BlockFile?>> _opening = new();
    readonly BlockSync _sync;
    readonly BlockWriter _writer;
    long _badChecksums, _synced;
    long _suspendedUntil = long.MinValue;
    int _warnedOfDisk;
#pragma warning disable CA1859
    volatile IBlockDirectory? _directory;
#pragma warning restore CA1859
    StoreSpace _lastSpace;

    BlockStore(BlockStoreOptions options, StorePaths paths)
    {
        _options = options;
        _paths = paths;
        Buffers = new FetchBuffers(options.FetchMemory);
        Table = new FetchTable(keepLimit: options.FetchMemory / 3 * 2);
        _sync = new BlockSync(paths, DiskFailed);
        _sync.Synced += _ => Interlocked.Increment(ref _synced);
        _writer = new BlockWriter(Table, _sync, this);
    }

    internal FetchBuffers Buffers { get; }
    internal FetchTable Table { get; }
    internal BlockWriter Writer => _writer;
    internal ref long BadChecksums => ref _badChecksums;

    /// <summary>Opens the store, as owner or through the process that owns it.</summary>
    /// <exception cref="StoreException">The directory cannot be used at all; the message names the remedy.</exception>
    public static Task<BlockStore> OpenAsync(string directory, long capacity, CancellationToken cancellation) =>
        OpenAsync(new BlockStoreOptions { Directory = directory, Capacity = capacity }, cancellation);

    /// <inheritdoc cref="OpenAsync(string, long, CancellationToken)"/>
    public static async Task<BlockStore> OpenAsync(BlockStoreOptions options, CancellationToken cancellation)
    {
        options.Validate();
        StorePaths paths = new(Path.GetFullPath(options.Directory));
        int errno = StoreFolder.Prepare(paths);
        BlockStore store = new(options, paths);
        try
        {
            if (errno != 0) store.DiskFailed(errno);
            else await store.AttachAsync(cancellation);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    Task AttachAsync(CancellationToken cancellation)
    {
        OwnedDirectory? owned = OwnedDirectory.TryOpen(_paths, _options.Capacity, _options.ReserveOn(new DriveInfo(_paths.Root)), _options.Warn);
        if (owned == null) return Task.CompletedTask;
        owned.Evicted += (grant, id) => _open.Retire(id, grant.Serial);
        _directory = owned;
        return Task.CompletedTask;
    }

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
            IBlockDirectory? directory = _directory;
            if (directory != null) _lastSpace = directory.Space;
            return new StoreStatistics(_lastSpace.Used, _lastSpace.Capacity, _lastSpace.BlockFiles, _lastSpace.Evictions,
                Interlocked.Read(ref _badChecksums), Interlocked.Read(ref _synced), directory != null && !IsSuspended, directory is OwnedDirectory);
        }
    }

    internal void Register(Registration registration) => _directory?.Register(registration);

    internal void Unregister(Registration registration) => _directory?.Unregister(registration);

    internal BlockFile? Find(BlockFileId id) => _open.Find(id);

    /// <summary>The block file, opened or admitted now; null when its bytes have to pass by uncached.</summary>
    internal ValueTask<BlockFile?> OpenBlockAsync(Registration registration, in BlockSpec spec, bool admit, CancellationToken cancellation)
    {
        BlockFile? open = _open.Find(spec.Id);
        if (open != null || _directory == null) return new(open);
        return OpenSharedAsync(registration, spec, admit, cancellation);
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
        if (_directory is not { } directory) return null;
        BlockGrant? granted;
        try
        {
            granted = await directory.OpenAsync(registration, spec, admit && !IsSuspended, cancellation);
        }
        catch (DiskException e)
        {
            DiskFailed(e.Errno);
            return null;
        }
        if (granted is not { } grant) return null;
        BlockFile? block = BlockFile.Open(_paths, spec, grant, closed => directory.Close(closed.Grant, closed.Spec.Id), out int errno);
        if (block != null)
        {
            _open.Add(block);
            return block;
        }
        directory.Close(grant, spec.Id);
        // Not ours, damaged or vanished: made anew at the next miss. Other errors say nothing about the file.
        if (errno is Libc.EINVAL or Libc.ENOENT or Libc.EIO) directory.Discard(grant, spec.Id);
        else DiskFailed(errno);
        return null;
    }

    internal bool IsSuspended => Environment.TickCount64 < Volatile.Read(ref _suspendedUntil);

    bool IBlockSink.IsSuspended => IsSuspended;

    void IBlockSink.Wrote(BlockFile block, long bytes) => _directory?.Wrote(block.Grant, bytes);

    void IBlockSink.DiskFailed(int errno) => DiskFailed(errno);

    void DiskFailed(int errno)
    {
        Volatile.Write(ref _suspendedUntil, Environment.TickCount64 + (long)RetryDisk.TotalMilliseconds);
        if (Interlocked.Exchange(ref _warnedOfDisk, 1) == 0)
            _options.Warn($"cache directory {_paths.Root}: {Libc.Describe(errno)}; reading uncached, trying it again every {RetryDisk.TotalSeconds:0} s");
    }

    /// <summary>Dispose the readers first.</summary>
    public async ValueTask DisposeAsync()
    {
        while (Table.TryDropOldest()) { }
        _writer.Dispose();
        _sync.Dispose();
        _open.RetireAll();
        if (_directory is { } directory)
        {
            _directory = null;
            await directory.DisposeAsync();
        }
        Buffers.Dispose();
    }
}
