namespace DataLayer.Formats;

/// <summary>
/// Writes the table that finds a node id's entry: slot = high half of id × slots, and what is taken goes to the next free
/// place. Filled in the order of the ids, so it is written from front to back, runs over its end instead of wrapping, and
/// a search ends at the first larger id.
/// </summary>
internal sealed class NodeTable(IdOrder ids, ManifestColumns columns, int bits)
{
    // Ids that took the place of the given ones, by entry.
    readonly Dictionary<uint, ulong> _salted = [];

    internal int Slots { get; private set; }
    internal int Probe { get; private set; }

    /// <summary>
    /// Load 0.85: 3.5 bytes per entry at 10⁷ entries and 3.8 probes; 0.7 would cost 0.8 bytes more and save 1.6 probes.
    /// </summary>
    static int SlotsFor(long ids) => (int)Math.Min(int.MaxValue / 2, Math.Max(1, (ids * 20 / 17) + 1));

    /// <exception cref="ManifestException">Ids cannot be made unique.</exception>
    internal void Write(CancellationToken cancellation)
    {
        ResolveCollisions(cancellation);
        foreach ((uint entry, ulong id) in _salted) columns.Node.Overwrite((int)entry, id);
        ColumnSpool table = columns.NodeTable;
        Slots = SlotsFor(ids.Count);
        long next = 0;
        foreach ((ulong id, uint entry) in ids.InOrder(_salted))
        {
            long slot = (long)Math.BigMul(id, (ulong)Slots, out _);
            for (; next < slot; next++) table.Add(0);
            Probe = Math.Max(Probe, (int)Math.Min(int.MaxValue, next - slot));
            table.Add(entry);
            next++;
        }
        if (table.Count == 0) table.Add(0);
        if (Probe > ManifestFormat.MaxProbe)
            throw new ManifestException("The snapshot cannot be built: its node ids are not uniform. Report this with the listing.");
    }

    /// <summary>
    /// Among entries with one id the first in entry order keeps it and the others get salted ones; again, until all differ.
    /// At 10⁷ entries one build in 370,000 has a collision to resolve.
    /// </summary>
    void ResolveCollisions(CancellationToken cancellation)
    {
        const int maxRounds = 1000;
        for (int round = 0; round < maxRounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            List<(uint Entry, ulong Id)> salted = [];
            ulong last = 0;
            uint repeated = 0;
            foreach ((ulong id, uint entry) in ids.InOrder(_salted))
            {
                repeated = id == last ? repeated + 1 : 0;
                last = id;
                if (repeated > 0) salted.Add((entry, Narrow(Recipe.Salted(new NodeId(id), repeated), bits).Value));
            }
            if (salted.Count == 0) return;
            foreach ((uint entry, ulong id) in salted) _salted[entry] = id;
        }
        throw new ManifestException("The snapshot cannot be built: its node ids collide again and again. Report this with the listing.");
    }

    /// <summary>The id with only its leading bits; 64 leave it as it is.</summary>
    internal static NodeId Narrow(NodeId id, int bits) =>
        bits == 64 || id == NodeId.Root ? id : new NodeId(Math.Max(id.Value >> (64 - bits), 1) << (64 - bits));
}
