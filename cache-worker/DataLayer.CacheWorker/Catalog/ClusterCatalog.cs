using System.Diagnostics;
using DataLayer.Cache;
using DataLayer.Formats;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>Bytes of a snapshot on one worker.</summary>
/// <param name="Age">Since the worker counted them, at most this.</param>
internal readonly record struct SnapshotLocation(string Worker, long Bytes, TimeSpan Age);

/// <summary>A worker as Redis has it.</summary>
/// <param name="Heard">Time since its last heartbeat.</param>
internal readonly record struct ListedWorker(WorkerRecord Record, TimeSpan Heard);

/// <summary>
/// This process' part in what the cluster shares through Redis: who is there, the datasets and their snapshots, and how much of each
/// snapshot lies where. Each heartbeat brings back whatever Redis turns out not to have, so that an emptied Redis is full again after
/// two of them; while Redis is away the last of everything stays. Safe for concurrent use.
/// </summary>
internal sealed class ClusterCatalog : IAsyncDisposable
{
    readonly CatalogOptions _options;
    readonly RedisConnection _redis;
    readonly CatalogKeys _keys;
    readonly WorkerRecord? _self;
    readonly MembershipView _membership;
    readonly DatasetView _datasets = new();
    readonly LocationPublisher? _publisher;
    readonly Func<IReadOnlyList<KeyValuePair<SnapshotId, long>>> _located;
    readonly CancellationTokenSource _stop = new();
    readonly SemaphoreSlim _turn = new(1);
    readonly Task _beating;
    string _knownWorkers = "", _knownDatasets = "";
    DatasetRecord[] _listedDatasets = [];
    bool _registered, _warnedOfFault, _warnedOfTwin;
    int _disposed;
    long _lastBeat = Stopwatch.GetTimestamp();
    volatile string? _fault;

    /// <summary>Begins at once and never waits for Redis.</summary>
    /// <param name="located">Bytes of each snapshot on this worker, asked at every heartbeat.</param>
    /// <exception cref="ArgumentException">An option that cannot be.</exception>
    public ClusterCatalog(RedisOptions redis, CatalogOptions options, Func<IReadOnlyList<KeyValuePair<SnapshotId, long>>>? located = null)
    {
        options.Validate();
        _options = options;
        _redis = new RedisConnection(redis);
        _keys = new CatalogKeys(redis.Prefix);
        _located = located ?? (static () => []);
        if (options.Self is { } self)
        {
            _self = WorkerRecord.Of(self, options.Software, Guid.NewGuid().ToString("N"));
            _publisher = new LocationPublisher(_redis, _keys, self.Name, options.Expiry);
        }
        _membership = new MembershipView(options);
        _beating = Task.Run(BeatForeverAsync);
    }

    public IMembership Membership => _membership;

    /// <summary>Called from the thread of the heartbeat.</summary>
    public event Action<PlacementMap>? MembershipChanged { add => _membership.Changed += value; remove => _membership.Changed -= value; }

    public DatasetView Datasets => _datasets;

    /// <summary>Age of all this process knows; grows while Redis is away.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(Interlocked.Read(ref _lastBeat));

    /// <summary>Why the last heartbeat failed; null when it did not.</summary>
    public string? Fault => _fault;

    /// <summary>Enters a dataset here at once and into Redis as soon as that can be. A record that is not newer than what is known changes nothing.</summary>
    /// <returns>Whether it was news.</returns>
    public bool Publish(DatasetRecord record)
    {
        if (!record.IsSound) throw new ArgumentException($"dataset record \"{record.Name}\" of generation {record.Generation}: impossible values");
        return _datasets.Offer(record);
    }

    /// <summary>Where a snapshot lies, as of now; workers with none of it are left out, and so are those not heard of for an expiry.</summary>
    /// <exception cref="CatalogException">Redis is away.</exception>
    public async Task<SnapshotLocation[]> LocateAsync(SnapshotId snapshot, CancellationToken cancellation)
    {
        RedisReply[] reply = (await _redis.RunAsync(CatalogScripts.Locations, [_keys.Location(snapshot)], [], cancellation)).List;
        return [.. reply.Chunk(3).Where(e => e.Length == 3).Select(e => new SnapshotLocation(e[0].Text, e[1].Number, TimeSpan.FromMilliseconds(e[2].Number))).Where(l => l.Age <= _options.Expiry)];
    }

    /// <summary>All workers that Redis has, compatible or not.</summary>
    /// <exception cref="CatalogException">Redis is away.</exception>
    public async Task<ListedWorker[]> ListWorkersAsync(CancellationToken cancellation)
    {
        RedisReply[] reply = (await _redis.RunAsync(CatalogScripts.Workers, [_keys.Workers, _keys.Beats], [], cancellation)).List;
        return [.. from e in reply.Chunk(3)
                   where e.Length == 3
                   let record = WorkerRecord.TryParse(e[0].Text, e[1].Text)
                   where record != null
                   select new ListedWorker(record, TimeSpan.FromMilliseconds(e[2].Number))];
    }

    /// <summary>One heartbeat now, as the loop makes them.</summary>
    /// <exception cref="CatalogException">Redis is away.</exception>
    public async Task BeatAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation);
        try
        {
            long asked = Stopwatch.GetTimestamp();
            RedisReply[] reply = (await _redis.RunAsync(CatalogScripts.Beat, [_keys.Workers, _keys.Beats, _keys.State, _keys.Datasets],
                [_self?.Name ?? "", _self?.ToJson() ?? "", LocationPublisher.Milliseconds(_options.Expiry), LocationPublisher.Milliseconds(_options.Heartbeat * 2), _knownWorkers, _knownDatasets], cancellation)).List;
            if (reply.Length != 6) throw new CatalogException($"Redis answered a heartbeat with {reply.Length} values");
            bool settled = reply[0].Text == "1";
            if (!reply[1].IsNull) NoteReplaced(reply[1].Text);
            _registered = true;
            // A list that is not settled is asked for again: who is missing in it may be gone or just not back yet.
            if (!reply[4].IsNull) _membership.Update([.. Pairs(reply[4]).Select(p => WorkerRecord.TryParse(p.Name, p.Text)).OfType<WorkerRecord>().Select(r => r.Node)], settled);
            _knownWorkers = settled ? reply[2].Text : "";
            if (!reply[5].IsNull) _listedDatasets = [.. Pairs(reply[5]).Select(p => DatasetRecord.TryParse(p.Name, p.Text)).OfType<DatasetRecord>()];
            _knownDatasets = reply[3].Text;
            foreach (DatasetRecord record in _listedDatasets) _datasets.Offer(record);
            foreach (DatasetRecord record in _datasets.NewerThan(_listedDatasets))
                await _redis.RunAsync(CatalogScripts.Publish, [_keys.Datasets, _keys.State], [record.Name, record.ToText()], cancellation);
            if (_publisher != null) await _publisher.PublishAsync(_located(), cancellation);
            Interlocked.Exchange(ref _lastBeat, asked);
        }
        finally
        {
            _turn.Release();
        }
    }

    static IEnumerable<(string Name, string Text)> Pairs(RedisReply reply) => reply.List.Chunk(2).Where(pair => pair.Length == 2).Select(pair => (pair[0].Text, pair[1].Text));

    /// <summary>Somebody else wrote under our name. Once is a predecessor of this process; after our own entry it is another worker.</summary>
    void NoteReplaced(string text)
    {
        if (!_registered || _warnedOfTwin || WorkerRecord.TryParse(_self!.Name, text) is not { } other || other.Instance == _self.Instance) return;
        _warnedOfTwin = true;
        _options.Warn($"another worker registers under the name {_self.Name} from {other.Address}: give each worker a name of its own");
    }

    async Task BeatForeverAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await BeatAsync(_stop.Token);
                if (_warnedOfFault) _options.Warn("Redis answers again");
                (_fault, _warnedOfFault) = (null, false);
            }
            catch (CatalogException e)
            {
                _fault = e.Message;
                if (!_warnedOfFault) _options.Warn($"{e.Message}; going on with the {_membership.Current.Workers.Count} workers known");
                _warnedOfFault = true;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            // Not in step: workers that were started together would all come at once.
            try { await Task.Delay(_options.Heartbeat * (0.9 + 0.2 * Random.Shared.NextDouble()), _stop.Token); }
            catch (OperationCanceledException) { return; }
        }
    }

    /// <summary>Leaves the cluster, so that the others need not wait for an expiry to know.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _stop.CancelAsync();
        await _beating;
        if (_self != null && _fault == null)
        {
            try { await _redis.RunAsync(CatalogScripts.Leave, [_keys.Workers, _keys.Beats, _keys.State], [_self.Name, _self.ToJson()], CancellationToken.None); }
            catch (CatalogException e) { _options.Warn($"{e.Message}; the others will take this worker out after {_options.Expiry.TotalSeconds:0.#} s"); }
        }
        await _redis.DisposeAsync();
        _stop.Dispose();
    }
}
