using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// A mount's side of the cluster: its own worker and, when that is gone, any other. Holds no source credentials, only a
/// token for one dataset, and keeps token and list of workers fresh. Safe for concurrent use.
/// </summary>
public sealed class ClusterClient : IPeerOrder, IMembership, IAsyncDisposable
{
    // A token of an hour is renewed while it is good for another half: a worker may be away that long.
    static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);
    static readonly TimeSpan FirstPatience = TimeSpan.FromSeconds(20);
    static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    readonly ClusterOptions _options;
    readonly List<PeerHealth> _given = [];
    readonly List<string> _givenNames = [];
    readonly HedgeBudget _budget = new();
    readonly CancellationTokenSource _stop = new();
    readonly PeerTable _others;
    readonly Lock _gate = new();
    volatile PlacementMap _map = new([], 1);
    X509Certificate2Collection _authority = [];
    volatile AuthenticationHeaderValue? _token;
    DateTime _tokenRead, _tokenUntil = DateTime.UnixEpoch;
    Task _keeping = Task.CompletedTask;

    ClusterClient(ClusterOptions options)
    {
        _options = options;
        _others = new PeerTable(this, self: null, worker => Connect(worker.Name, worker.Address), options.Timing, options.Warn);
    }

    public string Dataset => _options.Dataset;

    PlacementMap IMembership.Current => _map;

    /// <summary>Returns once a worker knows the dataset and has a snapshot of it.</summary>
    /// <exception cref="SourceException">No worker can be reached, refuses, or knows the dataset.</exception>
    public static async Task<ClusterClient> OpenAsync(ClusterOptions options, CancellationToken cancellation)
    {
        ClusterClient client = new(options);
        try
        {
            if (options.AuthorityFile is { } file) client._authority.ImportFromPemFile(file);
            foreach (string worker in options.Workers) client._given.Add(new PeerHealth(client.Connect(worker, worker), options.Timing, options.Warn));
            await client.RefreshFirstAsync(cancellation);
            client._keeping = Task.Run(client.KeepAsync, CancellationToken.None);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    HttpPeer Connect(string name, string address)
    {
        bool tls = !address.StartsWith('/');
        // The collection grows when a worker tells the authority; a handshake reads it then.
        WorkerHttp http = tls ? WorkerHttp.OverTls(address, _authority, own: null, _options.Timing, asker: null) : WorkerHttp.OverSocket(address, _options.Timing, asker: null);
        return new HttpPeer(name, http, _options.Timing, () => _token);
    }

    /// <summary>The store of this node's worker, as far as it lends it.</summary>
    public Task<BlockStore> OpenStoreAsync(CancellationToken cancellation) =>
        BlockStore.OpenLentAsync(_options.Workers.FirstOrDefault(w => w.StartsWith('/')), () => _token?.Parameter, _options.Warn, cancellation);

    /// <summary>Reads a snapshot: from the store, or else from the workers.</summary>
    /// <param name="store">As <see cref="OpenStoreAsync"/> gave it.</param>
    public DatasetReader OpenReader(BlockStore store, Manifest manifest, DatasetOptions options)
    {
        PeerOrigin origin = new(manifest.Id, manifest.Layout.SliceSize, this, lastResort: null, _options.Timing, _budget);
        return new DatasetReader(store, new ManifestLayout(manifest), origin, options with { Snapshot = manifest.Id }, FetchLane.Home, copies: null);
    }

    int IPeerOrder.GetPeers(in BlockId block, Span<PeerHealth?> peers)
    {
        int count = 0;
        foreach (PeerHealth given in _given)
            if (count < peers.Length && given.IsUsable) peers[count++] = given;
        if (count == peers.Length) return count;
        count += _others.GetPeers(block, peers[count..]);
        return count;
    }

    /// <summary>The dataset's current snapshot.</summary>
    /// <param name="patience">How long a first listing is waited for.</param>
    public async Task<SnapshotId> FindCurrentAsync(TimeSpan patience, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(patience);
        string? failure = null;
        for (int delay = 50; ; delay = Math.Min(1000, delay * 2))
        {
            try
            {
                DatasetMessage dataset = await AskAsync(HttpMethod.Get, $"/v1/datasets/{Uri.EscapeDataString(Dataset)}", PeerJson.Default.DatasetMessage, limit.Token);
                if (dataset.Snapshot != null && Digest.TryParse(dataset.Snapshot, out Digest id)) return new SnapshotId(id);
                failure = dataset.Failure;
                await Task.Delay(delay, limit.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new SourceException(SourceFault.Unavailable, $"dataset {Dataset} has no snapshot after {patience.TotalSeconds:0} s" + (failure == null ? ", its sources are still being listed" : $": {failure}"));
            }
        }
    }

    /// <summary>Writes the manifest of a snapshot as some worker has it; the receiver checks that it is the one.</summary>
    public async Task CopyManifestAsync(SnapshotId id, Stream destination, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, $"/v1/snapshots/{id}", cancellation);
        await response.Content.CopyToAsync(destination, cancellation);
    }

    async Task<T> AskAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancellation) where T : class
    {
        using HttpResponseMessage response = await SendAsync(method, path, cancellation);
        return await response.Content.ReadFromJsonAsync(type, cancellation) ?? throw new SourceException(SourceFault.Unavailable, $"{path}: an empty answer");
    }

    /// <summary>Asks one worker after the other until one answers well.</summary>
    async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, CancellationToken cancellation, bool minting = false)
    {
        SourceException? failed = null;
        IEnumerable<PeerHealth> all = minting ? _given : _given.Concat(_map.Workers.Select(_others.Of));
        foreach (HttpPeer peer in all.OrderByDescending(p => p.IsUsable).Select(p => (HttpPeer)p.Peer))
        {
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(_options.Timing.Silence);
            try
            {
                using HttpRequestMessage request = peer.Http.Request(method, path);
                // The socket itself says who mints; an expired token would be refused before that.
                if (!minting) request.Headers.Authorization = _token;
                HttpResponseMessage response = await peer.Http.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
                if (response.IsSuccessStatusCode) return response;
                using (response)
                {
                    string said = await WorkerHttp.ReadErrorAsync(response, limit.Token);
                    SourceFault fault = (int)response.StatusCode switch { 401 or 403 => SourceFault.Denied, 404 or 409 or 426 => SourceFault.Misconfigured, _ => SourceFault.Unavailable };
                    // What a worker says counts more than that another cannot be reached.
                    if (failed is null or { Fault: SourceFault.Unavailable }) failed = new SourceException(fault, $"worker {peer.Name}: {said}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
            {
                string reason = e is OperationCanceledException ? "no answer" : e.InnerException?.Message ?? e.Message;
                failed ??= new SourceException(SourceFault.Unavailable, $"worker {peer.Name}: {reason}", e);
            }
        }
        throw failed ?? new SourceException(SourceFault.Misconfigured, "no worker was given");
    }

    /// <summary>A worker that starts with its node, or is busy, is waited for; one that refuses is not.</summary>
    async Task RefreshFirstAsync(CancellationToken cancellation)
    {
        long started = Environment.TickCount64;
        for (; ; )
        {
            try
            {
                await RefreshAsync(cancellation);
                return;
            }
            catch (SourceException e) when (e.IsTransient && Environment.TickCount64 - started < FirstPatience.TotalMilliseconds)
            {
                await Task.Delay(200, cancellation);
            }
        }
    }

    async Task RefreshAsync(CancellationToken cancellation)
    {
        await RefreshTokenAsync(cancellation);
        WorkersMessage workers = await AskAsync(HttpMethod.Get, "/v1/workers", PeerJson.Default.WorkersMessage, cancellation);
        if (_authority.Count == 0 && workers.Authority is { } pem) _authority.ImportFromPem(pem);
        _map = new PlacementMap(workers.Workers, 1);
    }

    async Task RefreshTokenAsync(CancellationToken cancellation)
    {
        if (_options.TokenFile is { } file)
        {
            DateTime written = File.GetLastWriteTimeUtc(file);
            if (written == _tokenRead) return;
            _token = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(file, cancellation)).Trim());
            _tokenRead = written;
            return;
        }
        if (DateTime.UtcNow < _tokenUntil - TokenLife / 2) return;
        try
        {
            using HttpResponseMessage response = await SendAsync(HttpMethod.Post, $"/v1/datasets/{Uri.EscapeDataString(Dataset)}/token?seconds={(int)TokenLife.TotalSeconds}", cancellation, minting: true);
            TokenMessage minted = (await response.Content.ReadFromJsonAsync(PeerJson.Default.TokenMessage, cancellation))!;
            _token = new AuthenticationHeaderValue("Bearer", minted.Token);
            _tokenUntil = DateTime.UtcNow + TokenLife;
        }
        catch (SourceException e) when (e.Message.Contains("need no token", StringComparison.Ordinal))
        {
            _tokenUntil = DateTime.MaxValue - TokenLife;
        }
    }

    async Task KeepAsync()
    {
        using PeriodicTimer timer = new(LookEvery);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                try
                {
                    await RefreshAsync(_stop.Token);
                }
                catch (Exception e) when (e is SourceException or IOException)
                {
                    // Reads tell what they meet; what is known now stays good for a while.
                    if (DateTime.UtcNow > _tokenUntil) _options.Warn($"dataset {Dataset}: the token has expired and no worker renews it: {e.Message}");
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The mount ends.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _keeping;
        foreach (PeerHealth given in _given) given.Dispose();
        _others.Dispose();
    }
}
