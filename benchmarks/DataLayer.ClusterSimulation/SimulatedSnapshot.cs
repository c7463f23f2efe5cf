using DataLayer.Cache;
using DataLayer.Formats;

namespace DataLayer.ClusterSimulation;

/// <summary>Blocks without files, searched as a manifest searches its own: a sorted table of ids.</summary>
internal sealed class SimulatedSnapshot : ISnapshotBlocks
{
    readonly BlockFileId[] _sorted;

    public SimulatedSnapshot(int seed, int packs, int large)
    {
        Packs = [.. Enumerable.Range(0, packs).Select(i => Block(seed, i))];
        Large = [.. Enumerable.Range(0, large).Select(i => Block(seed, -1 - i))];
        _sorted = [.. Blocks];
        Array.Sort(_sorted, Compare);
    }

    public BlockFileId[] Packs { get; }
    public BlockFileId[] Large { get; }
    public IEnumerable<BlockFileId> Blocks => Packs.Concat(Large);

    static BlockFileId Block(int seed, int number)
    {
        Span<byte> bytes = stackalloc byte[8];
        BitConverter.TryWriteBytes(bytes, seed);
        BitConverter.TryWriteBytes(bytes[4..], number);
        return new BlockFileId(Digest.Of(bytes));
    }

    static int Compare(BlockFileId a, BlockFileId b) => (a.Value.A, a.Value.B).CompareTo((b.Value.A, b.Value.B));

    public int PackCount => Packs.Length;
    public BlockFileId GetPackId(int pack) => Packs[pack];
    public bool Contains(BlockFileId block) => Array.BinarySearch(_sorted, block, Comparer<BlockFileId>.Create(Compare)) >= 0;
}
