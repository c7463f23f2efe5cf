using DataLayer.Cache;
using DataLayer.Formats;

namespace DataLayer.ClusterSimulation;

/// <summary>The store of one node, in blocks.</summary>
internal interface INodeCache
{
    bool Contains(int block);

    /// <summary>A read of a block by anyone, there or not.</summary>
    void Touch(int dataset, int block);

    /// <summary>A block was fetched; false when it only passes by.</summary>
    bool Admit(int dataset, int block);

    int Used { get; }
    int UsedBy(int dataset);
}

/// <summary>The real one: a <see cref="SpaceLedger"/> as a store's owner drives it.</summary>
internal sealed class LedgerCache : INodeCache
{
    readonly Workload _workload;
    readonly SpaceLedger _ledger;
    readonly SimulationOptions _options;
    readonly Dictionary<int, (Registration Registration, StrongBox Reads)> _registrations = [];

    sealed class StrongBox
    {
        public long Value;
    }

    /// <param name="quotas">Of each dataset, in blocks on this node; null for none.</param>
    public LedgerCache(SimulationOptions options, Workload workload, int capacity, Random random, Func<DateTime> clock, Func<int, long?> quotas)
    {
        _workload = workload;
        _options = options;
        _ledger = new SpaceLedger(capacity, random, clock);
        for (int i = 0; i < workload.Datasets.Length; i++)
            if (quotas(i) is { } quota) _ledger.SetPolicy(DatasetTag.Of(workload.Datasets[i].Name), new DatasetPolicy { Quota = quota });
    }

    BlockFileId Id(int block) => new(_workload.Ids[block].Value);

    public bool Contains(int block) => _ledger.TryFind(Id(block), out _);

    public void Touch(int dataset, int block) => Of(dataset).Reads.Value++;

    (Registration Registration, StrongBox Reads) Of(int dataset)
    {
        if (_registrations.TryGetValue(dataset, out var known)) return known;
        StrongBox reads = new();
        Registration registration = new(dataset, _workload.Datasets[dataset].Name, 1, (ids, _) => new(new bool[ids.Count])) { IdleAfter = _options.IdleAfter, Reads = () => reads.Value };
        _registrations.Add(dataset, (registration, reads));
        _ledger.Register(registration);
        return (registration, reads);
    }

    public bool Admit(int dataset, int block)
    {
        DatasetTag tag = Of(dataset).Registration.Tag;
        if (_ledger.OverQuota(tag, 1, out _) > 0) return false;
        if (_ledger.Used >= _ledger.Capacity)
        {
            if (!_ledger.TryPickVictim(tag, 1, out BlockGrant victim)) return false;
            _ledger.TryRemove(victim, out _, out _);
        }
        return _ledger.TryAdd(Id(block), tag, 1, out _);
    }

    public int Used => (int)_ledger.Used;
    public int UsedBy(int dataset) => (int)_ledger.BytesOf(DatasetTag.Of(_workload.Datasets[dataset].Name));
}

/// <summary>What others have: everything fetched is kept, and what was not read for longest goes.</summary>
internal sealed class LruCache(Workload workload, int capacity) : INodeCache
{
    readonly Dictionary<int, LinkedListNode<int>> _blocks = [];
    readonly LinkedList<int> _order = [];

    public bool Contains(int block) => _blocks.ContainsKey(block);

    public void Touch(int dataset, int block)
    {
        if (!_blocks.TryGetValue(block, out LinkedListNode<int>? node)) return;
        _order.Remove(node);
        _order.AddLast(node);
    }

    public bool Admit(int dataset, int block)
    {
        if (_blocks.Count >= capacity)
        {
            _blocks.Remove(_order.First!.Value);
            _order.RemoveFirst();
        }
        _blocks.Add(block, _order.AddLast(block));
        return true;
    }

    public int Used => _blocks.Count;
    public int UsedBy(int dataset) => _blocks.Keys.Count(b => b >= workload.Datasets[dataset].First && b < workload.Datasets[dataset].First + workload.Datasets[dataset].Blocks);
}
