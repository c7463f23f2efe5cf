using DataLayer.Cache;
using DataLayer.CacheWorker.Datasets;
using DataLayer.CacheWorker.Membership;
using DataLayer.CacheWorker.Security;
using DataLayer.CacheWorker.Serving;

namespace DataLayer.CacheWorker;

/// <summary>One running worker: opens store, peers, datasets and listeners, and takes them down in the reverse order.</summary>
sealed class WorkerSession : IAsyncDisposable
{
    // The store counts files. Its 256 folders, of one disk block each until they hold thousands of names, come out of the limit.
    const long FolderSpace = 2 << 20;

    // Peers learn from a refused request that this worker ends, and from a probe that another has taken its place.
    static readonly TimeSpan DrainGrace = TimeSpan.FromSeconds(1);

    static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(2);

    readonly WorkerOptions _options;
    readonly PeerTiming _timing = new();
    readonly CancellationTokenSource _stop = new();
    readonly List<ServedDataset> _datasets = [];
    BlockStore _store = null!;
    StaticMembership _membership = null!;
    PeerTable _peers = null!;
    WorkerState _state = null!;
    WorkerServer? _server;
    LendingServer? _lending;
    PeerSnapshots _snapshots = null!;
    Task _looking = Task.CompletedTask;

    WorkerSession(WorkerOptions options) => _options = options;

    /// <exception cref="UserException">And the faults that Program turns into one line.</exception>
    public static async Task<WorkerSession> StartAsync(WorkerOptions options, CancellationToken cancellation)
    {
        WorkerSession session = new(options);
        try
        {
            await session.OpenAsync(cancellation);
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    async Task OpenAsync(CancellationToken cancellation)
    {
        TlsFiles? tls = _options.TlsAuthority == null ? null : TlsFiles.Load(_options.TlsAuthority, _options.TlsCertificate!, _options.TlsKey!);
        RegistrationFile registrations = RegistrationFile.Read(_options.Datasets);
        WorkerNode node = new(_options.Node, _options.Zone, _options.Advertise ?? "https://localhost", _options.CacheSize, PeerProtocol.Version);
        _membership = new StaticMembership(_options.PeersFile, node, _options.Copies);
        _store = await BlockStore.OpenAsync(new BlockStoreOptions { Directory = _options.CacheDirectory, Capacity = _options.CacheSize - FolderSpace, Warn = Log.Warn }, cancellation);
        if (!_store.Statistics.IsOwner) throw new UserException($"--cache-dir {_options.CacheDirectory} is in use by another process: a worker needs one of its own.");
        _peers = new PeerTable(_membership, _options.Node,
            worker => new HttpPeer(worker.Name, WorkerHttp.OverTls(worker.Address, tls!.Authority, tls.Own, _timing, _options.Node), _timing, authorization: null), _timing, Log.Warn);
        _snapshots = new PeerSnapshots(_peers, _options.Node, _timing);
        MountTokens? tokens = tls == null ? null : new MountTokens(tls);
        _state = new WorkerState(node, _store, _peers, tokens) { Authority = tls == null ? null : string.Join('\n', tls.Authority.Select(c => c.ExportCertificatePem())) };
        Register(registrations);
        Authentication authentication = new(_options, tokens);
        _server = await WorkerServer.StartAsync(_options, tls, authentication, new Dispatcher(_state, authentication).HandleAsync, cancellation);
        if (_options.Socket is { } socket)
        {
            _lending = new LendingServer(LentAttachment.PathOf(socket), WorkerServer.SocketMode(_options), _store,
                (user, token) => authentication.Identify(user, token) is { } caller ? new Lending(_state, caller) : null);
            _state.Leases = () => _lending.Lent;
        }
        foreach (ServedDataset dataset in _datasets) dataset.Start();
        _looking = Task.Run(LookAsync, CancellationToken.None);
    }

    /// <summary>Adds datasets that are new or have a higher generation; the older one goes on serving mounts that read it.</summary>
    List<ServedDataset> Register(RegistrationFile file)
    {
        List<ServedDataset> added = [];
        foreach (DatasetRegistration registration in file.Datasets)
        {
            if (_datasets.Any(d => d.Name == registration.Name && d.Registration.Generation >= registration.Generation)) continue;
            added.Add(new ServedDataset(registration, _options, _store, _snapshots, _peers, _timing));
        }
        _datasets.InsertRange(0, added);
        _state.Datasets = [.. _datasets];
        return added;
    }

    async Task LookAsync()
    {
        DateTime read = File.GetLastWriteTimeUtc(_options.Datasets);
        using PeriodicTimer timer = new(LookEvery);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                DateTime written = File.GetLastWriteTimeUtc(_options.Datasets);
                if (written == read) continue;
                read = written;
                try
                {
                    foreach (ServedDataset added in Register(RegistrationFile.Read(_options.Datasets)))
                    {
                        Log.Info($"dataset {added.Name}: generation {added.Registration.Generation}");
                        added.Start();
                    }
                }
                catch (Exception fault) when (fault is UserException or Formats.SourceException)
                {
                    Log.Warn($"{fault.Message}; going on with the datasets registered before");
                }
            }
        }
        catch (OperationCanceledException)
        {
            return;
        }
    }

    /// <summary>Stops being asked, finishes what is under way.</summary>
    public async Task DrainAsync()
    {
        _state.IsDraining = true;
        await Task.Delay(DrainGrace);
        await _server!.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _looking;
        if (_server != null) await _server.DisposeAsync();
        if (_lending != null) await _lending.DisposeAsync();
        foreach (ServedDataset dataset in _datasets) await dataset.DisposeAsync();
        _peers?.Dispose();
        if (_store != null) await _store.DisposeAsync();
        _membership?.Dispose();
        _stop.Dispose();
    }
}
