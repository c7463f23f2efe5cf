using DataLayer.Cache;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>
/// Who is in the cluster, from one list of Redis to the next. A list that is not settled (Redis was away or emptied and not everyone
/// has come back yet) only adds and updates: nobody vanishes because Redis did. One thread updates, any reads.
/// </summary>
internal sealed class MembershipView(CatalogOptions options) : IMembership
{
    readonly HashSet<string> _warned = [];
    readonly Dictionary<string, WorkerNode> _workers = options.Self is { } self ? new() { [self.Name] = self } : [];
    volatile PlacementMap _current = options.Self is { } alone && options.IsCompatible(alone) ? new PlacementMap([alone], options.Copies) : PlacementMap.Empty;

    public PlacementMap Current => _current;

    public event Action<PlacementMap>? Changed;

    /// <param name="listed">All that Redis has.</param>
    /// <param name="settled">Whether who is not listed is gone.</param>
    public void Update(IReadOnlyList<WorkerNode> listed, bool settled)
    {
        if (settled)
        {
            HashSet<string> names = [.. listed.Select(w => w.Name)];
            foreach (string gone in _workers.Keys.Where(name => !names.Contains(name) && name != options.Self?.Name).ToArray()) _workers.Remove(gone);
        }
        foreach (WorkerNode worker in listed)
            if (worker.Name != options.Self?.Name) _workers[worker.Name] = worker;
        WorkerNode[] compatible = [.. _workers.Values.Where(IsCompatible).OrderBy(w => w.Name, StringComparer.Ordinal)];
        if (compatible.SequenceEqual(_current.Workers)) return;
        PlacementMap map = new(compatible, options.Copies);
        _current = map;
        Changed?.Invoke(map);
    }

    bool IsCompatible(WorkerNode worker)
    {
        if (options.IsCompatible(worker)) return true;
        if (_warned.Add($"{worker.Name}/{worker.Protocol}"))
            options.Warn($"worker {worker.Name} at {worker.Address} speaks protocol {worker.Protocol}, which this one ({options.Self?.Protocol}) does not: the two do not share blocks until one is upgraded");
        return false;
    }
}
