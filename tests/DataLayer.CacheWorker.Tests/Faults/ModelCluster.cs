using System.Buffers.Binary;
using System.Collections.Concurrent;
using DataLayer.Cache;
using DataLayer.Cache.Tests;
using DataLayer.CacheWorker.Serving;
using DataLayer.Formats;
using DataLayer.TestKit;
using Microsoft.AspNetCore.Http;

namespace DataLayer.CacheWorker.Tests.Faults;

enum PeerState
{
    Up,
    Down,
    Hung,
    Slow,
    Corrupting,
    Truncating,
}

/// <summary>
/// Workers and mounts in this process, of the real parts (stores, readers, order, breakers, hedging, answers and their
/// checks) but for the wire, which carries the real frames and any fault. Stores stay for all runs; every run has its own snapshot.
/// </summary>
sealed class ModelCluster : IMembership, IAsyncDisposable
{
    // Short, for a thousand runs; a machine that hiccups longer only makes a peer look hung.
    public static readonly PeerTiming Timing = new()
    {
        Connect = TimeSpan.FromMilliseconds(100),
        Silence = TimeSpan.FromMilliseconds(100),
        FirstProbe = TimeSpan.FromMilliseconds(2),
        LongestProbe = TimeSpan.FromMilliseconds(20),
        ShortestHedge = TimeSpan.FromMilliseconds(3),
        Bypass = TimeSpan.FromMilliseconds(60),
    };

    readonly ScratchDirectory _scratch = new();
    readonly List<BlockStore> _stores = [];
    BlockStore _mountStore = null!;

    public PlacementMap Current { get; private set; } = PlacementMap.Empty;
    public IReadOnlyList<BlockStore> Stores => _stores;
    public BlockStore MountStore => _mountStore;

    public static async Task<ModelCluster> StartAsync(int nodes, long capacity)
    {
        ModelCluster cluster = new() { Current = new PlacementMap([.. Enumerable.Range(0, nodes).Select(i => new WorkerNode($"n{i}", "", "-", 1 << 30, 1))], 1) };
        for (int i = 0; i < nodes; i++)
            cluster._stores.Add(await BlockStore.OpenAsync(new BlockStoreOptions { Directory = cluster._scratch.File($"store{i}"), Capacity = capacity, FetchMemory = 16 << 20 }, CancellationToken.None));
        cluster._mountStore = await BlockStore.OpenLentAsync(null, () => null, _ => { }, CancellationToken.None);
        return cluster;
    }

    public async ValueTask DisposeAsync()
    {
        await _mountStore.DisposeAsync();
        foreach (BlockStore store in _stores) await store.DisposeAsync();
        _scratch.Dispose();
    }
}

/// <summary>One run: a snapshot, its readers on every node, and the state of every node and of the source.</summary>
sealed class ModelRun : IAsyncDisposable
{
    const long SliceSize = 1 << 20; // Every unit of a large file may have another home.

    readonly ModelCluster _cluster;
    readonly Random _random;
    readonly ModelWorker[] _workers;
    readonly DatasetReader[] _mounts;
    readonly PeerTable[] _mountTables;

    public ModelRun(ModelCluster cluster, FakeSnapshot snapshot, int seed, CopyPolicy policy)
    {
        _cluster = cluster;
        Snapshot = snapshot;
        _random = new Random(seed);
        Id = new SnapshotId(Digest.Of(BitConverter.GetBytes(seed)));
        string dataset = $"set{seed}";
        _workers = [.. cluster.Stores.Select((store, i) => new ModelWorker(this, cluster, store, $"n{i}", dataset, policy))];
        _mountTables = [.. _workers.Select(w => new PeerTable(cluster, self: null, node => new ModelPeer(this, WorkerOf(node.Name), fromWorker: false), ModelCluster.Timing, _ => { }))];
        _mounts = [.. _workers.Select((own, i) =>
        {
            MountOrder order = new(_mountTables[i], cluster.Current.Workers[cluster.Current.Find(own.Name)]);
            PeerOrigin origin = new(Id, SliceSize, order, lastResort: null, ModelCluster.Timing, new HedgeBudget());
            // The wait for one read: far beyond what any schedule lasts.
            return new DatasetReader(cluster.MountStore, snapshot, origin, new DatasetOptions { Name = $"{dataset}-mount{i}", ReadDeadline = TimeSpan.FromSeconds(60) }, (FetchLane)(10 + i), copies: null);
        })];
    }

    public FakeSnapshot Snapshot { get; }
    public SnapshotId Id { get; }
    public IReadOnlyList<ModelWorker> Workers => _workers;
    public IReadOnlyList<DatasetReader> Mounts => _mounts;
    public volatile bool SourceIsUp = true;

    public ModelWorker WorkerOf(string name) => _workers.First(w => w.Name == name);

    public int Draw(int below) { lock (_random) return _random.Next(below); }

    /// <summary>Its own worker first, then the block's order: as <see cref="ClusterClient"/> has it.</summary>
    sealed class MountOrder(PeerTable table, WorkerNode own) : IPeerOrder
    {
        public int GetPeers(in BlockId block, Span<PeerHealth?> peers)
        {
            int count = 0;
            PeerHealth first = table.Of(own);
            if (first.IsUsable) peers[count++] = first;
            return count + table.GetPeers(block, peers[count..]);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (DatasetReader mount in _mounts) await mount.DisposeAsync();
        foreach (ModelWorker worker in _workers) await worker.DisposeAsync();
        foreach (PeerTable table in _mountTables) table.Dispose();
    }
}

sealed class ModelWorker : IAsyncDisposable
{
    const long SliceSize = 1 << 20;

    readonly ModelSource _source;

    public ModelWorker(ModelRun run, ModelCluster cluster, BlockStore store, string name, string dataset, CopyPolicy policy)
    {
        Name = name;
        Table = new PeerTable(cluster, name, node => new ModelPeer(run, run.WorkerOf(node.Name), fromWorker: true), ModelCluster.Timing, _ => { });
        _source = new ModelSource(run);
        DatasetOptions options = new() { Name = dataset, ReadDeadline = TimeSpan.FromSeconds(5) };
        Homes = new DatasetReader(store, run.Snapshot, new SourceOrigin(run.Snapshot, [_source]), options, FetchLane.Home, copies: null);
        PeerOrigin peers = new(run.Id, SliceSize, Table, new Datasets.HomeOrigin(Homes), ModelCluster.Timing, new HedgeBudget());
        Copies = new DatasetReader(store, run.Snapshot, peers, options, FetchLane.Copies, new CopyKeeper(policy));
    }

    public string Name { get; }
    public PeerTable Table { get; }
    public DatasetReader Homes { get; }
    public DatasetReader Copies { get; }
    public volatile PeerState State = PeerState.Up;

    /// <summary>The most reads of one unit that were ever under way at once at this home.</summary>
    public int MostAtOnce => _source.MostAtOnce;

    /// <summary>What came over the wire, before the receiver checks it.</summary>
    public async Task<byte[]> ServeAsync(UnitRange units, bool fromWorker, bool cachedOnly, CancellationToken cancellation)
    {
        DefaultHttpContext context = new();
        using MemoryStream body = new();
        context.Response.Body = body;
        bool asHome = fromWorker || Table.IsHome(units.Block(SliceSize));
        if (await BlockAnswer.SendAsync(context, asHome ? Homes : Copies, units, cachedOnly, cancellation) == null) throw new PeerException(PeerFault.Absent, "not cached");
        await context.Response.BodyWriter.FlushAsync(cancellation);
        return body.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        await Copies.DisposeAsync();
        await Homes.DisposeAsync();
        Table.Dispose();
    }
}

/// <summary>The source as one worker sees it; counts how often a unit is read at once.</summary>
sealed class ModelSource(ModelRun run) : ISource
{
    readonly ConcurrentDictionary<(int Entry, long Offset), int> _running = new();
    int _most;

    public int MostAtOnce => Volatile.Read(ref _most);
    public string Identity => "model://source";

    public async ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        int seed = BinaryPrimitives.ReadInt32LittleEndian(file.Key), index = BinaryPrimitives.ReadInt32LittleEndian(file.Key.AsSpan(4));
        (int, long)[] units = [.. Enumerable.Range(0, (destination.Length + FileLocation.LargeUnit - 1) / FileLocation.LargeUnit).Select(i => (index, offset + (long)i * FileLocation.LargeUnit))];
        foreach ((int, long) unit in units)
        {
            int now = _running.AddOrUpdate(unit, 1, (_, n) => n + 1);
            for (int seen = MostAtOnce; now > seen; seen = MostAtOnce) Interlocked.CompareExchange(ref _most, now, seen);
        }
        try
        {
            await Task.Yield();
            if (run.Draw(8) == 0) await Task.Delay(run.Draw(4), cancellation);
            if (!run.SourceIsUp || run.Draw(40) == 0) throw new SourceException(SourceFault.Unavailable, "the model's source is away");
            FakeSnapshot.Content(seed, index, offset, destination.Span);
        }
        finally
        {
            foreach ((int, long) unit in units) _running.AddOrUpdate(unit, 0, (_, n) => n - 1);
        }
    }

    public IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync(CancellationToken cancellation) => throw new NotSupportedException();
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>The way to a worker, with the faults of its state.</summary>
sealed class ModelPeer(ModelRun run, ModelWorker target, bool fromWorker) : IBlockPeer
{
    public string Name => target.Name;

    public async ValueTask ReadAsync(SnapshotId snapshot, UnitRange units, Memory<byte> destination, bool cachedOnly, CancellationToken cancellation)
    {
        await Task.Yield();
        await FaultAsync(cancellation);
        if (target.State == PeerState.Slow) await Task.Delay(5 + run.Draw(40), cancellation);
        byte[] wire;
        // A peer that is killed meanwhile breaks the connection.
        using CancellationTokenSource served = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        wire = await target.ServeAsync(units, fromWorker, cachedOnly, served.Token);
        if (target.State is PeerState.Down or PeerState.Hung) throw new PeerException(PeerFault.Unreachable, "the connection broke");
        if (target.State == PeerState.Corrupting && wire.Length > 0) wire[run.Draw(wire.Length)] ^= (byte)(1 << run.Draw(8));
        if (target.State == PeerState.Truncating) wire = wire[..run.Draw(wire.Length)];
        using MemoryStream stream = new(wire);
        try
        {
            await FrameReader.ReadAsync(Name, stream, units, destination, () => { }, cancellation);
        }
        catch (IOException e)
        {
            throw new PeerException(PeerFault.Unreachable, e.Message, e);
        }
    }

    async Task FaultAsync(CancellationToken cancellation)
    {
        if (target.State == PeerState.Down) throw new PeerException(PeerFault.Unreachable, "down");
        if (target.State != PeerState.Hung) return;
        await Task.Delay(ModelCluster.Timing.Silence, cancellation);
        throw new PeerException(PeerFault.Silent, "hung");
    }

    public async ValueTask ProbeAsync(CancellationToken cancellation) => await FaultAsync(cancellation);
}
