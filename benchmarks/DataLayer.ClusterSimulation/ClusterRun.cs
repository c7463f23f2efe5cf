using DataLayer.Cache;

namespace DataLayer.ClusterSimulation;

/// <summary>Who caches what.</summary>
internal enum Scheme
{
    /// <summary>DataLayer: homes by placement, space by the ledger.</summary>
    DataLayer,
    /// <summary>The same homes, each with least recently used.</summary>
    HomesLru,
    /// <summary>Every node for itself, space by the ledger.</summary>
    NoPeers,
    /// <summary>Every node for itself, with least recently used.</summary>
    NoPeersLru,
    /// <summary>One cache with the disks of all, behind one link, with least recently used.</summary>
    Central,
}

/// <summary>Blocks, but where said.</summary>
/// <param name="FromSource">What the source sent.</param>
/// <param name="FromPeers">Came over the network from another node or the central cache, and were there.</param>
/// <param name="Local">Were on the node's own disk.</param>
/// <param name="Imbalance">Blocks sent by the busiest server ÷ the mean; of the central cache: ÷ what a node would send.</param>
/// <param name="StoredImbalance">Blocks stored on the fullest node ÷ the mean.</param>
/// <param name="MedianStretch">Time of the median job ÷ its time if it never waited for data.</param>
/// <param name="Finished">Jobs that ended within the day.</param>
internal sealed record RunResult(Scheme Scheme, long Read, long FromSource, long FromPeers, long Local, double Imbalance, double StoredImbalance, double MedianStretch, double SlowStretch, int Finished)
{
    public double HitRate => 1 - (double)FromSource / Read;
}

/// <summary>
/// One scheme, one day. Every reader (one node of one job) fetches a block while it uses the one before; links are queues, so that
/// whoever is asked by many makes them wait. A block on its way is not fetched a second time by whoever fetches it.
/// </summary>
internal sealed class ClusterRun
{
    readonly SimulationOptions _options;
    readonly Workload _workload;
    readonly Scheme _scheme;
    readonly INodeCache[] _caches;
    readonly PlacementMap _map;
    readonly int[] _homes;
    readonly Link[] _up;
    readonly Dictionary<(int Node, int Block), double> _arriving = [];
    Link _source;
    double _now;
    long _read, _fromSource, _fromPeers, _local;

    sealed class RunningJob(SimulatedJob job, int blocks)
    {
        public readonly SimulatedJob Job = job;
        public readonly int[] Order = [.. Enumerable.Range(0, blocks)];
        readonly Random _random = new(job.Seed);
        public int Epoch, Next = blocks, Reading;
        public double UsedUntil = job.Start;

        /// <summary>The next block of the dataset that nobody of the job has read in this epoch; -1 when all epochs are done or others still read in this one.</summary>
        public int Take()
        {
            if (Next == Order.Length)
            {
                if (Reading > 0 || Epoch == Job.Epochs) return -1;
                Epoch++;
                Next = 0;
                _random.Shuffle(Order);
            }
            Reading++;
            return Order[Next++];
        }

        public bool IsDone => Epoch == Job.Epochs && Next == Order.Length && Reading == 0;
    }

    /// <param name="UsedUntil">When it will have used what it has.</param>
    /// <param name="HasRead">Whether it comes from a block, not from waiting for one.</param>
    readonly record struct Reader(RunningJob Job, int Node, double UsedUntil, bool HasRead);

    public ClusterRun(SimulationOptions options, Workload workload, Scheme scheme)
    {
        (_options, _workload, _scheme) = (options, workload, scheme);
        _map = new PlacementMap([.. Enumerable.Range(0, options.Nodes).Select(i => new WorkerNode($"node-{i}", $"zone-{i % options.Zones}", $"node-{i}:7400", 1L << 40, 1))], options.Copies);
        // Ordinals of the map are by name; nodes of the simulation are these ordinals.
        _homes = new int[workload.Ids.Length];
        Span<int> home = stackalloc int[1];
        if (scheme is Scheme.DataLayer or Scheme.HomesLru)
        {
            for (int i = 0; i < _homes.Length; i++)
            {
                _map.GetHomes(workload.Ids[i], home);
                _homes[i] = home[0];
            }
        }
        Random random = new(options.Seed);
        Func<DateTime> clock = () => DateTime.UnixEpoch.AddSeconds(_now);
        _caches = scheme switch
        {
            Scheme.Central => [new LruCache(workload, options.Capacity * options.Nodes)],
            Scheme.HomesLru or Scheme.NoPeersLru => [.. Enumerable.Range(0, options.Nodes).Select(_ => new LruCache(workload, options.Capacity))],
            _ => [.. Enumerable.Range(0, options.Nodes).Select(node => new LedgerCache(options, workload, options.Capacity, random, clock, dataset => QuotaOn(node, dataset)))],
        };
        _up = [.. Enumerable.Range(0, _caches.Length).Select(_ => new Link(scheme == Scheme.Central ? options.SourceLink : options.NodeLink))];
        _source = new Link(options.SourceLink);
    }

    /// <summary>Blocks of a dataset that may be in the whole cluster; null for no limit.</summary>
    public long? QuotaOf(int dataset) => _options.Quota > 0 && dataset % 10 == 0 ? (long)(_workload.Datasets[dataset].Blocks * _options.Quota) : null;

    long? QuotaOn(int node, int dataset) => QuotaOf(dataset) is { } quota ? (long)(quota * _map.ShareOf(node)) : null;

    public IReadOnlyList<INodeCache> Caches => _caches;

    /// <param name="look">Called now and then in the course of the day.</param>
    public RunResult Run(Action? look = null)
    {
        PriorityQueue<Reader, double> readers = new();
        List<double> stretches = [];
        Dictionary<RunningJob, List<Reader>> waiting = [];
        int next = 0, looked = 0;
        double end = _options.Day.TotalSeconds;
        while (readers.Count > 0 || next < _workload.Jobs.Length)
        {
            if (next < _workload.Jobs.Length && (readers.Count == 0 || (readers.TryPeek(out _, out double soonest) && _workload.Jobs[next].Start <= soonest)))
            {
                SimulatedJob job = _workload.Jobs[next++];
                RunningJob started = new(job, _workload.Datasets[job.Dataset].Blocks);
                waiting.Add(started, []);
                foreach (int node in job.Nodes) readers.Enqueue(new Reader(started, node, job.Start, HasRead: false), job.Start);
                continue;
            }
            readers.TryDequeue(out Reader reader, out _now);
            if (_now > end) break;
            if (reader.HasRead) reader.Job.Reading--;
            int block = reader.Job.Take();
            if (block >= 0)
            {
                // It begins to use the block when it is here and the one before is used up, and asks for the next one then.
                double begins = Math.Max(Read(reader.Node, reader.Job.Job.Dataset, block), reader.UsedUntil), used = begins + 1 / _options.ReadRate;
                readers.Enqueue(new Reader(reader.Job, reader.Node, used, HasRead: true), begins);
                reader.Job.UsedUntil = Math.Max(reader.Job.UsedUntil, used);
                // The first of a new epoch calls those who waited for the last of the old one.
                if (reader.Job.Next == 1)
                {
                    foreach (Reader waiter in waiting[reader.Job]) readers.Enqueue(waiter, _now);
                    waiting[reader.Job].Clear();
                }
            }
            else if (!reader.Job.IsDone) waiting[reader.Job].Add(reader with { HasRead = false });
            else if (waiting.Remove(reader.Job))
            {
                SimulatedJob job = reader.Job.Job;
                stretches.Add((reader.Job.UsedUntil - job.Start) / (Math.Ceiling((double)reader.Job.Order.Length / job.Nodes.Length) * job.Epochs / _options.ReadRate));
            }
            if (look != null && ++looked % 1000 == 0) look();
        }
        stretches.Sort();
        double mean = (double)_up.Sum(l => l.Sent) / (_scheme == Scheme.Central ? _options.Nodes : _up.Length), stored = _caches.Average(c => (double)c.Used);
        return new RunResult(_scheme, _read, _fromSource, _fromPeers, _local, mean == 0 ? 0 : _up.Max(l => l.Sent) / mean, _scheme == Scheme.Central ? 1 : _caches.Max(c => c.Used) / Math.Max(1, stored),
            At(stretches, 0.5), At(stretches, 0.95), stretches.Count);
    }

    static double At(List<double> sorted, double part) => sorted.Count == 0 ? double.NaN : sorted[Math.Min(sorted.Count - 1, (int)(sorted.Count * part))];

    /// <summary>One node reads one block; returns when it is there.</summary>
    double Read(int node, int dataset, int blockInDataset)
    {
        int block = _workload.Datasets[dataset].First + blockInDataset;
        int server = _scheme switch
        {
            Scheme.DataLayer or Scheme.HomesLru => _homes[block],
            Scheme.Central => 0,
            _ => node,
        };
        bool isLocal = server == node && _scheme != Scheme.Central;
        INodeCache cache = _caches[server];
        _read++;
        cache.Touch(dataset, block);
        double came = _now;
        // Whoever comes while it is being fetched takes part in that, whether or not it is kept.
        if (_arriving.TryGetValue((server, block), out double arrival) && arrival > _now)
        {
            came = arrival;
            if (isLocal) _local++;
            else _fromPeers++;
        }
        else if (cache.Contains(block))
        {
            if (isLocal) _local++;
            else _fromPeers++;
        }
        else
        {
            came = _source.Send(_now);
            _fromSource++;
            cache.Admit(dataset, block);
            _arriving[(server, block)] = came;
            if (_arriving.Count > 100_000) Forget();
        }
        if (!isLocal) came = _up[server].Send(came);
        return came;
    }

    void Forget()
    {
        foreach ((int, int) past in _arriving.Where(a => a.Value <= _now).Select(a => a.Key).ToArray()) _arriving.Remove(past);
    }
}
