using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Sources;

namespace DataLayer.CacheWorker.Datasets;

/// <summary>Gets snapshots that other workers have.</summary>
interface ISnapshotPeers
{
    /// <summary>The current snapshot of a dataset by the worker that lists it; null when none can be asked, or it is this one.</summary>
    Task<SnapshotId?> FindCurrentAsync(string dataset, long generation, CancellationToken cancellation);

    /// <summary>Writes the manifest with this id.</summary>
    /// <exception cref="PeerException">Nobody has it.</exception>
    Task CopyAsync(SnapshotId id, string? asker, Stream destination, CancellationToken cancellation);
}

/// <summary>One registered dataset: its sources, its current snapshot, and those that mounts still read. Safe for concurrent use.</summary>
sealed class ServedDataset : IAsyncDisposable
{
    // Mounts that follow nothing stay on theirs for days; an open snapshot costs a mapping and two idle readers.
    const int MaxOpen = 8;

    // A home that cannot reach the source says so to whoever asked within this time: they ask others then.
    static readonly TimeSpan HomeDeadline = TimeSpan.FromSeconds(15);

    readonly DatasetRegistration _registration;
    readonly BlockStore _store;
    readonly ISnapshotPeers _snapshots;
    readonly IPeerOrder _order;
    readonly PeerTiming _timing;
    readonly HedgeBudget _budget = new();
    readonly CopyKeeper? _keeper;
    readonly List<(ISource Source, string SubPath)> _sources = [];
    readonly SnapshotFolder _folder;
    readonly Dictionary<SnapshotId, ServedSnapshot> _open = [];
    readonly SemaphoreSlim _opening = new(1);
    readonly Lock _gate = new();
    readonly CancellationTokenSource _stop = new();
    Task _taking = Task.CompletedTask;
    SnapshotId? _current;
    string? _failure;

    public ServedDataset(DatasetRegistration registration, WorkerOptions options, BlockStore store, ISnapshotPeers snapshots, IPeerOrder order, PeerTiming timing)
    {
        _registration = registration;
        _store = store;
        _snapshots = snapshots;
        _order = order;
        _timing = timing;
        _keeper = options.LocalCopy == CopyPolicy.Always ? null : new CopyKeeper(options.LocalCopy);
        foreach (SourceRegistration source in registration.Sources)
        {
            SourceOptions sourceOptions = new() { Endpoint = source.Endpoint, Region = source.Region, PathStyle = source.PathStyle, Anonymous = source.Anonymous };
            _sources.Add((SourceFactory.Open(source.Uri, sourceOptions), source.SubPath.Trim('/')));
        }
        _folder = new SnapshotFolder(options.CacheDirectory, $"{registration.Name} {registration.Generation}", Log.Warn);
    }

    public string Name => _registration.Name;
    public DatasetRegistration Registration => _registration;

    public SnapshotId? Current { get { lock (_gate) return _current; } }

    /// <summary>Why there is no snapshot yet; null while nothing went wrong.</summary>
    public string? Failure { get { lock (_gate) return _failure; } }

    public ServedSnapshot[] OpenSnapshots { get { lock (_gate) return [.. _open.Values]; } }

    /// <summary>Finds the first snapshot in the background: the one kept from before, the one another worker has, or a listing.</summary>
    public void Start() => _taking = Task.Run(() => TakeFirstAsync(_stop.Token));

    async Task TakeFirstAsync(CancellationToken cancellation)
    {
        for (int delay = 200; ; delay = Math.Min(10_000, delay * 2))
        {
            try
            {
                Manifest manifest = _folder.OpenNewest() ?? await TakeAsync(cancellation);
                Serve(manifest, current: true);
                Log.Info($"dataset {Name}: snapshot {manifest.Id.ToString()[..12]}, {manifest.FileCount:N0} files");
                return;
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault) when (fault is SourceException or ManifestException or PeerException or IOException or UnauthorizedAccessException)
            {
                lock (_gate) _failure = fault.Message;
                Log.Warn($"dataset {Name}: no snapshot yet: {fault.Message}");
            }
            try { await Task.Delay(delay, cancellation); }
            catch (OperationCanceledException) { return; }
        }
    }

    async Task<Manifest> TakeAsync(CancellationToken cancellation)
    {
        if (await _snapshots.FindCurrentAsync(Name, _registration.Generation, cancellation) is { } id)
        {
            try
            {
                return await FetchAsync(id, asker: null, cancellation);
            }
            catch (PeerException fault)
            {
                Log.Warn($"dataset {Name}: {fault.Message}; listing the sources here");
            }
        }
        return await _folder.TakeAsync(_sources, entries: null, cancellation);
    }

    async Task<Manifest> FetchAsync(SnapshotId id, string? asker, CancellationToken cancellation)
    {
        Manifest manifest = await _folder.AddAsync(id, (file, token) => _snapshots.CopyAsync(id, asker, file, token), cancellation);
        // Whoever names a snapshot must not make this worker read with its credentials what the dataset does not hold.
        if (manifest.Sources.All(wanted => _sources.Any(s => s.Source.Identity == wanted.Identity && s.SubPath == wanted.SubPath))) return manifest;
        manifest.Dispose();
        File.Delete(_folder.PathOf(id));
        throw new PeerException(PeerFault.Absent, $"snapshot {id} was made from other sources than dataset {Name} has here");
    }

    ServedSnapshot Serve(Manifest manifest, bool current)
    {
        ServedSnapshot? oldest = null, made = null;
        lock (_gate)
        {
            if (current) (_current, _failure) = (manifest.Id, null);
            if (_open.TryGetValue(manifest.Id, out ServedSnapshot? there))
            {
                manifest.Dispose();
                return there;
            }
            made = Open(manifest);
            _open.Add(manifest.Id, made);
            if (_open.Count > MaxOpen)
            {
                oldest = _open.Where(o => o.Key != _current && o.Value != made).MinBy(o => o.Value.LastUse).Value;
                _open.Remove(oldest.Manifest.Id);
            }
        }
        oldest?.Release();
        return made;
    }

    ServedSnapshot Open(Manifest manifest)
    {
        ManifestLayout layout = new(manifest);
        ISource[] sources = [.. manifest.Sources.Select(wanted => _sources.First(s => s.Source.Identity == wanted.Identity && s.SubPath == wanted.SubPath).Source)];
        DatasetOptions homeOptions = new() { Name = Name, Weight = _registration.Weight, ReadDeadline = HomeDeadline };
        DatasetReader homes = new(_store, layout, new SourceOrigin(layout, sources), homeOptions, FetchLane.Home, copies: null);
        PeerOrigin peers = new(manifest.Id, manifest.Layout.SliceSize, _order, new HomeOrigin(homes), _timing, _budget);
        DatasetReader copies = new(_store, layout, peers, new DatasetOptions { Name = Name, Weight = _registration.Weight }, FetchLane.Copies, _keeper);
        return new ServedSnapshot(Name, manifest, homes, copies);
    }

    /// <summary>The snapshot, with a use for the caller to release; null when it cannot be had.</summary>
    /// <param name="asker">The worker that asks for it, which has it.</param>
    public async ValueTask<ServedSnapshot?> AcquireAsync(SnapshotId id, string? asker, CancellationToken cancellation)
    {
        if (TryAcquire(id) is { } open) return open;
        await _opening.WaitAsync(cancellation);
        try
        {
            if (TryAcquire(id) is { } meanwhile) return meanwhile;
            Manifest manifest = _folder.TryOpen(id) ?? await FetchAsync(id, asker, cancellation);
            ServedSnapshot served = Serve(manifest, current: false);
            return served.TryAcquire() ? served : null;
        }
        catch (Exception fault) when (fault is PeerException or ManifestException or IOException)
        {
            Log.Warn($"dataset {Name}: snapshot {id.ToString()[..12]}: {fault.Message}");
            return null;
        }
        finally
        {
            _opening.Release();
        }
    }

    public ServedSnapshot? TryAcquire(SnapshotId id)
    {
        lock (_gate) return _open.TryGetValue(id, out ServedSnapshot? served) && served.TryAcquire() ? served : null;
    }

    /// <summary>Where a snapshot's file is, if it is here.</summary>
    public string? FindFile(SnapshotId id) => _folder.PathOf(id) is { } path && File.Exists(path) ? path : null;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _taking;
        foreach (ServedSnapshot served in OpenSnapshots)
        {
            served.Release();
            await served.Closed.WaitAsync(TimeSpan.FromSeconds(30));
        }
        foreach ((ISource source, _) in _sources) await source.DisposeAsync();
    }
}

/// <summary>The worker as its own last resort: reads as the home would, so that those who ask at the same time share one read of the source.</summary>
sealed class HomeOrigin(DatasetReader homes) : IBlockOrigin
{
    public async ValueTask<OriginKind> ReadAsync(UnitRange units, Memory<byte> destination, CancellationToken cancellation)
    {
        await homes.ReadAsync(units.File, units.FileOffset, destination, cancellation);
        // Counted as a read of the source by the reader that did it.
        return OriginKind.Peer;
    }
}
