using System.Collections.Concurrent;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>The workers this process may ask, each with its health, and who is asked first for a block. Safe for concurrent use.</summary>
/// <param name="self">This worker's node name; null in a mount.</param>
/// <param name="connect">Opens the way to a worker; called once for each.</param>
internal sealed class PeerTable(IMembership membership, string? self, Func<WorkerNode, IBlockPeer> connect, PeerTiming timing, Action<string> warn) : IPeerOrder, IDisposable
{
    // Of a thousand workers only the best few of a block are ever asked.
    const int MaxRank = 5;

    readonly ConcurrentDictionary<(string Name, string Address), PeerHealth> _peers = new();

    /// <summary>Those that were asked so far.</summary>
    public IEnumerable<PeerHealth> Known => _peers.Values;

    public PlacementMap Map => membership.Current;

    public PeerHealth Of(WorkerNode worker)
    {
        (string, string) key = (worker.Name, worker.Address);
        if (_peers.TryGetValue(key, out PeerHealth? known)) return known;
        PeerHealth made = new(connect(worker), timing, warn);
        PeerHealth kept = _peers.GetOrAdd(key, made);
        if (kept == made) Forget(worker);
        else made.Dispose();
        return kept;
    }

    /// <summary>Addresses that a worker of this name had before are not probed any more.</summary>
    void Forget(WorkerNode worker)
    {
        foreach ((string Name, string Address) key in _peers.Keys)
            if (key.Name == worker.Name && key.Address != worker.Address && _peers.TryRemove(key, out PeerHealth? old)) old.Dispose();
    }

    /// <summary>The best worker of a block that is usable, counting this one: is it this one?</summary>
    public bool IsHome(in BlockId block)
    {
        Span<int> ranked = stackalloc int[1];
        PlacementMap map = membership.Current;
        return map.Rank(block, ranked) == 0 || map.Workers[ranked[0]].Name == self;
    }

    /// <summary>The workers before this one in the block's order: who comes after would only ask this one back.</summary>
    public int GetPeers(in BlockId block, Span<PeerHealth?> peers)
    {
        Span<int> ranked = stackalloc int[MaxRank];
        PlacementMap map = membership.Current;
        int ranks = map.Rank(block, ranked), count = 0;
        for (int i = 0; i < ranks && count < peers.Length; i++)
        {
            WorkerNode worker = map.Workers[ranked[i]];
            if (worker.Name == self) break;
            PeerHealth health = Of(worker);
            if (health.IsUsable) peers[count++] = health;
        }
        return count;
    }

    public void Dispose()
    {
        foreach (PeerHealth peer in _peers.Values) peer.Dispose();
    }
}
