namespace DataLayer.Cache;

/// <summary>Whether a worker keeps what it fetched from another worker.</summary>
public enum CopyPolicy
{
    Always,
    SecondRead,
    Never,
}

/// <summary>
/// Decides for one worker which units of other homes it keeps. By default on the second read: in the first epoch the
/// homes take what they are homes of, and a cache that just holds its share of the dataset is not filled with copies
/// first (a dataset never displaces its own blocks, so what comes first stays). What is read again is worth its space.
/// Safe for concurrent use; forgets the oldest reads.
/// </summary>
internal sealed class CopyKeeper(CopyPolicy policy)
{
    // Two generations of 4 Mi bits, 1 MiB together: 1 Mi units of one file or 1 MiB each at an error of a fifth, and an
    // error only keeps a copy one epoch early.
    const int Bits = 1 << 22;
    const int MarksPerGeneration = 1 << 20;

    readonly ulong[][] _seen = [new ulong[Bits / 64], new ulong[Bits / 64]];
    int _current, _marks;

    public bool Keep(in UnitKey unit) => policy switch
    {
        CopyPolicy.Always => true,
        CopyPolicy.Never => false,
        _ => SeenBefore((int)((uint)HashCode.Combine(unit.Block.Value.A, unit.Unit) % Bits)),
    };

    bool SeenBefore(int bit)
    {
        ulong mask = 1ul << (bit & 63);
        int current = Volatile.Read(ref _current);
        bool before = (Interlocked.Or(ref _seen[current][bit >> 6], mask) & mask) != 0 || (Volatile.Read(ref _seen[1 - current][bit >> 6]) & mask) != 0;
        if (before || Interlocked.Increment(ref _marks) < MarksPerGeneration) return before;
        // Racing readers lose a mark at most: one copy an epoch later.
        Array.Clear(_seen[1 - current]);
        Volatile.Write(ref _current, 1 - current);
        Volatile.Write(ref _marks, 0);
        return false;
    }
}
