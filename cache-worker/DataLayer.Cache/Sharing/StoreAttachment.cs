using System.Net.Sockets;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>What the rest of the store is told about its directory.</summary>
internal interface IAttachedStore
{
    /// <summary>This directory decides from now on: what an earlier one granted is to be closed.</summary>
    void Attached(IBlockDirectory directory);
    void Evicted(IBlockDirectory directory, BlockGrant grant, BlockFileId id);
    void DiskFailed(string reason);
    IReadOnlyDictionary<string, DatasetPolicy> Policies { get; }
    IBlockObserver Observer { get; }
}

/// <summary>How a store comes by its directory. Safe for concurrent use.</summary>
internal interface IStoreAttachment : IAsyncDisposable
{
    /// <summary>Who decides at present; null while nobody does and reads go on uncached.</summary>
    IBlockDirectory? Directory { get; }

    /// <summary>Returns once attached, or once it is clear that this will take longer.</summary>
    Task StartAsync(CancellationToken cancellation);

    void Register(Registration registration);
    void Unregister(Registration registration);
}

/// <summary>
/// Keeps this process attached to its cache directory: as the owner when nobody is, otherwise through the owner; when that
/// one dies, whoever takes the lock first is next. While nothing is attached, open block files go on working and the
/// rest is read uncached.
/// </summary>
internal sealed class StoreAttachment(StorePaths paths, BlockStoreOptions options, IAttachedStore store) : IStoreAttachment
{
    // An owner that starts has a directory to scan first: 500,000 block files take seconds.
    static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(10);
    static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(5);
    const int ShortestRetry = 10, LongestRetry = 1000;

    readonly CancellationTokenSource _stop = new();
    readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly List<Registration> _registrations = [];
    readonly Lock _gate = new();
    volatile IBlockDirectory? _directory;
    OwnerServer? _server;
    Task _keeping = Task.CompletedTask;

    public IBlockDirectory? Directory => _directory;

    public int Clients => _server?.Clients ?? 0;

    /// <summary>Returns once attached, or once it is clear that this will take longer and reads have to go on without.</summary>
    /// <exception cref="StoreException">The directory is not one to use.</exception>
    public async Task StartAsync(CancellationToken cancellation)
    {
        _keeping = Task.Run(KeepAttachedAsync, CancellationToken.None);
        try
        {
            await _first.Task.WaitAsync(FirstWait, cancellation);
        }
        catch (TimeoutException)
        {
            options.Warn($"cache directory {paths.Root}: the process that owns it does not answer; reading uncached until it does");
        }
    }

    public void Register(Registration registration)
    {
        lock (_gate)
        {
            _registrations.Add(registration);
            _directory?.Register(registration);
        }
    }

    public void Unregister(Registration registration)
    {
        lock (_gate)
        {
            _registrations.Remove(registration);
            _directory?.Unregister(registration);
        }
    }

    async Task KeepAttachedAsync()
    {
        int delay = ShortestRetry;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (await TryAttachAsync() is { } ended)
                {
                    _first.TrySetResult();
                    await ended.WaitAsync(_stop.Token);
                    Detach();
                    delay = ShortestRetry;
                    continue;
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (StoreException e)
            {
                // At the start the caller hears of it. Later somebody changed the directory under us.
                if (_first.TrySetException(e)) return;
                store.DiskFailed(e.Message);
                delay = (int)options.RetryDisk.TotalMilliseconds;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                store.DiskFailed(e.Message);
                _first.TrySetResult();
                delay = (int)options.RetryDisk.TotalMilliseconds;
            }
            try { await Task.Delay(delay, _stop.Token); }
            catch (OperationCanceledException) { return; }
            delay = Math.Min(LongestRetry, delay * 2);
        }
    }

    /// <summary>A task that ends with the attachment; null when somebody has the lock and does not answer yet.</summary>
    async Task<Task?> TryAttachAsync()
    {
        int errno = StoreFolder.Prepare(paths);
        if (errno != 0) throw new DiskException(errno, Libc.Describe(errno));
        OwnedDirectory? owned = OwnedDirectory.TryOpen(paths, options.Capacity, options.ReserveOn(new DriveInfo(paths.Root)), options.Warn, store.Policies, store.Observer);
        if (owned != null)
        {
            owned.Evicted += (grant, id) => store.Evicted(owned, grant, id);
            try { _server = new OwnerServer(owned, paths); }
            catch (Exception e) when (e is SocketException or IOException)
            {
                options.Warn($"cache directory {paths.Root}: no socket ({e.Message}), other processes read uncached");
            }
            Attach(owned);
            return Task.Delay(Timeout.Infinite, _stop.Token);
        }
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        limit.CancelAfter(ConnectLimit);
        RemoteDirectory? remote;
        try { remote = await RemoteDirectory.TryConnectAsync(paths, limit.Token); }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested) { return null; }
        if (remote == null) return null;
        remote.Evicted += (grant, id) => store.Evicted(remote, grant, id);
        Attach(remote);
        return remote.Lost;
    }

    void Attach(IBlockDirectory directory)
    {
        lock (_gate)
        {
            foreach (Registration registration in _registrations) directory.Register(registration);
            _directory = directory;
        }
        store.Attached(directory);
    }

    void Detach()
    {
        lock (_gate) _directory = null;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _keeping;
        IBlockDirectory? directory = _directory;
        Detach();
        // The socket goes before the lock: the next owner makes its own.
        if (_server != null) await _server.DisposeAsync();
        if (directory != null) await directory.DisposeAsync();
        _stop.Dispose();
    }
}
