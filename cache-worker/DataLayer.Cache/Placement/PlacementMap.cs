using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Which workers are the homes of a block: a pure function of the workers' names, zones and capacities and the block's id, the
/// same on every node. Immutable, safe for concurrent use.
/// <para>
/// Weighted rendezvous hashing: every worker draws an exponential variate from its name and the block's id, divides it by its
/// capacity, and the smallest wins. A worker's draw hangs on nothing but itself, so one that comes takes blocks from all others
/// in proportion, and one that goes leaves its own to all others in proportion; no other block moves.
/// </para>
/// </summary>
public sealed class PlacementMap
{
    // A worker below this counts as if it had this much: reciprocals of larger weights then keep 34 bits for a worker of 1 PiB.
    const long WeightUnit = 1 << 20;

    struct Draw
    {
        public ulong A, B;
        /// <summary>2⁶⁴ ÷ weight; 0 for a worker that is no home.</summary>
        public ulong Reciprocal;
        public int Zone;
    }

    readonly WorkerNode[] _workers;
    readonly Draw[] _draws;
    readonly int _homes;

    /// <param name="workers">In any order; names are unique.</param>
    /// <param name="copies">Homes of each block, as far as there are workers.</param>
    /// <exception cref="ArgumentException">Two workers of one name, a negative capacity, or no copy.</exception>
    public PlacementMap(IReadOnlyList<WorkerNode> workers, int copies)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(copies, 1);
        Copies = copies;
        // One order everywhere: it breaks ties, and numbers the zones.
        _workers = [.. workers.OrderBy(w => w.Name, StringComparer.Ordinal)];
        _draws = new Draw[_workers.Length];
        Dictionary<string, int> zones = [];
        for (int i = 0; i < _workers.Length; i++)
        {
            WorkerNode worker = _workers[i];
            if (i > 0 && worker.Name == _workers[i - 1].Name) throw new ArgumentException($"two workers are named {worker.Name}: names must be unique", nameof(workers));
            if (worker.Capacity < 0) throw new ArgumentException($"worker {worker.Name} has capacity {worker.Capacity}", nameof(workers));
            if (!zones.TryGetValue(worker.Zone, out int zone)) zones.Add(worker.Zone, zone = zones.Count);
            byte[] seed = SHA256.HashData(Encoding.UTF8.GetBytes(worker.Name));
            _draws[i] = new Draw
            {
                A = BinaryPrimitives.ReadUInt64BigEndian(seed),
                B = BinaryPrimitives.ReadUInt64BigEndian(seed.AsSpan(8)),
                Reciprocal = worker.Capacity == 0 ? 0 : ulong.MaxValue / (ulong)Math.Max(1, worker.Capacity / WeightUnit),
                Zone = zone,
            };
            if (worker.Capacity > 0) _homes++;
        }
        Zones = zones.Count;
    }

    public static PlacementMap Empty { get; } = new([], 1);

    /// <summary>By name; ordinals index this list.</summary>
    public IReadOnlyList<WorkerNode> Workers => _workers;

    public int Copies { get; }

    public int Zones { get; }

    /// <summary>Ordinal of the worker of this name; -1 when it is not in the map.</summary>
    public int Find(string name)
    {
        int low = 0, high = _workers.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1, order = string.CompareOrdinal(_workers[middle].Name, name);
            if (order == 0) return middle;
            if (order < 0) low = middle + 1;
            else high = middle - 1;
        }
        return -1;
    }

    /// <summary>
    /// The homes of a block: ordinals, best first, as many as there are copies, workers and places in <paramref name="homes"/>. No
    /// two are in one zone as long as there is another zone. Allocates nothing.
    /// </summary>
    public int GetHomes(in BlockId block, Span<int> homes) => Rank(block, homes[..Math.Min(homes.Length, Copies)]);

    /// <summary>
    /// The homes and after them their successors: who becomes a home when one before it goes. All readers that miss a home and go
    /// on in this order meet at the same worker.
    /// </summary>
    /// <returns>Ordinals written: less than asked for when there are not as many workers.</returns>
    public int Rank(in BlockId block, Span<int> ranked)
    {
        int count = Math.Min(ranked.Length, _homes);
        for (int i = 0; i < count; i++) ranked[i] = Best(block, ranked[..i], MinimumInZone(ranked[..i]));
        return count;
    }

    /// <summary>
    /// Expected share (0–1) of all cached bytes that this worker is home of, by weight alone; the shares of all workers add up to
    /// one. Spreading over zones of unequal capacity moves bytes from it towards the smaller zones.
    /// </summary>
    public double ShareOf(int worker)
    {
        double total = 0;
        foreach (WorkerNode node in _workers) total += node.Capacity;
        return total == 0 ? 0 : _workers[worker].Capacity / total;
    }

    int Best(in BlockId block, ReadOnlySpan<int> chosen, int perZone)
    {
        (ulong a, ulong b) = (block.Value.A, block.Value.B);
        int best = -1;
        ulong bestHigh = ulong.MaxValue, bestLow = ulong.MaxValue;
        Draw[] draws = _draws;
        for (int i = 0; i < draws.Length; i++)
        {
            ref readonly Draw draw = ref draws[i];
            // Block ids and worker seeds are SHA-256: one widening multiplication mixes them well enough (tested), and costs 1 ns.
            ulong hash = Math.BigMul(a ^ draw.A, b ^ draw.B, out ulong low) ^ low;
            // -ln(1 - x) ≥ x: most workers are out without a logarithm.
            if (Math.BigMul(hash >> (64 - ExponentialVariate.FractionBits), draw.Reciprocal, out _) > bestHigh) continue;
            if (draw.Reciprocal == 0 || (!chosen.IsEmpty && !MayChoose(i, chosen, perZone))) continue;
            ulong high = Math.BigMul(ExponentialVariate.Of(hash), draw.Reciprocal, out low);
            if (high > bestHigh || (high == bestHigh && low >= bestLow && best >= 0)) continue;
            (best, bestHigh, bestLow) = (i, high, low);
        }
        return best;
    }

    bool MayChoose(int worker, ReadOnlySpan<int> chosen, int perZone)
    {
        int inZone = 0;
        foreach (int other in chosen)
        {
            if (other == worker) return false;
            if (_draws[other].Zone == _draws[worker].Zone) inZone++;
        }
        return inZone <= perZone;
    }

    /// <summary>How many are chosen in the zone that has fewest chosen among those that still have a worker to choose.</summary>
    int MinimumInZone(ReadOnlySpan<int> chosen)
    {
        if (chosen.IsEmpty) return 0;
        for (int perZone = 0; ; perZone++)
        {
            for (int i = 0; i < _draws.Length; i++)
                if (_draws[i].Reciprocal != 0 && MayChoose(i, chosen, perZone)) return perZone;
        }
    }
}
