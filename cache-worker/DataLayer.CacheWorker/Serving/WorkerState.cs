using System.Diagnostics;
using System.Reflection;
using DataLayer.Cache;
using DataLayer.CacheWorker.Datasets;
using DataLayer.CacheWorker.Security;

namespace DataLayer.CacheWorker.Serving;

/// <summary>What the request handlers see of the worker.</summary>
sealed class WorkerState(WorkerNode node, BlockStore store, PeerTable peers, MountTokens? tokens)
{
    readonly Stopwatch _uptime = Stopwatch.StartNew();
    long _toPeers, _toMounts, _failed;
    volatile bool _draining;
    volatile IReadOnlyList<ServedDataset> _datasets = [];

    public WorkerNode Node => node;
    public PeerTable Peers => peers;
    public MountTokens? Tokens => tokens;

    /// <summary>The certificates, in PEM form, by which mounts know the other workers; null without TLS.</summary>
    public string? Authority { get; init; }

    public IReadOnlyList<ServedDataset> Datasets { get => _datasets; set => _datasets = value; }

    /// <summary>Set once: no new work is taken from peers, what is under way is finished.</summary>
    public bool IsDraining { get => _draining; set => _draining = value; }

    /// <summary>Block files that mounts hold.</summary>
    public Func<long> Leases { get; set; } = () => 0;

    public ServedDataset? Find(string name) => _datasets.FirstOrDefault(d => d.Name == name);

    public void CountSent(long bytes, bool toPeer)
    {
        if (toPeer) Interlocked.Add(ref _toPeers, bytes);
        else Interlocked.Add(ref _toMounts, bytes);
    }

    public void RequestFailed() => Interlocked.Increment(ref _failed);

    public StatusMessage Status()
    {
        StoreStatistics space = store.Statistics;
        ReadCounters[] homes = [.. _datasets.SelectMany(d => d.OpenSnapshots).Select(s => s.Homes.Counters)];
        ReadCounters[] copies = [.. _datasets.SelectMany(d => d.OpenSnapshots).Select(s => s.Copies.Counters)];
        return new StatusMessage
        {
            Node = node.Name,
            Zone = node.Zone,
            Protocol = PeerProtocol.Version,
            Version = typeof(WorkerState).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "",
            UptimeSeconds = _uptime.Elapsed.TotalSeconds,
            Draining = _draining,
            CacheUsed = space.Used,
            CacheCapacity = space.Capacity,
            BlockFiles = space.BlockFiles,
            Evictions = space.Evictions,
            BadChecksums = space.BadChecksums,
            BytesFromSource = homes.Sum(c => c.BytesFromSource),
            SourceReads = homes.Sum(c => c.SourceReads),
            SourceErrors = homes.Sum(c => c.SourceErrors),
            BytesFromPeers = copies.Sum(c => c.BytesFromPeers),
            PeerReads = copies.Sum(c => c.PeerReads),
            BytesToPeers = Interlocked.Read(ref _toPeers),
            BytesToMounts = Interlocked.Read(ref _toMounts),
            Leases = Leases(),
            Datasets = [.. _datasets.Select(d => new DatasetMessage(d.Name, d.Registration.Generation, d.Current?.ToString(), d.Failure))],
            Peers = [.. peers.Known.Select(p => new PeerMessage(p.Peer.Name, p.IsUsable, p.Failures, p.Percentile95(1), p.Percentile95(int.MaxValue)))],
        };
    }
}
