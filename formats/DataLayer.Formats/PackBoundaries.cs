namespace DataLayer.Formats;

/// <summary>
/// Where one pack ends and the next begins: a function of source, key and size of the packable files in entry order,
/// never of their versions. A <i>natural</i> boundary depends on the file behind it alone, so no edit elsewhere moves it;
/// a <i>forced</i> cut keeps a pack below its limit and lasts until the next natural boundary at most.
/// </summary>
internal struct PackBoundaries(LayoutParameters layout)
{
    /// <summary>
    /// Bytes that a file counts beyond its size: what its place in a block store's tables costs. Bounds the files of a
    /// pack (131,072 with the defaults) when they are all one byte long.
    /// </summary>
    internal const long FileOverhead = 256;

    int _source = -1;
    long _weight;

    /// <summary>True when a file goes into a pack at all. An empty file needs no block.</summary>
    internal static bool IsPackable(long size, LayoutParameters layout) => size > 0 && size <= layout.PackThreshold;

    /// <summary>Takes the next packable file; true when a pack begins with it.</summary>
    internal bool Next(int source, ReadOnlySpan<byte> key, long size)
    {
        long weight = size + FileOverhead;
        bool starts = source != _source || _weight + weight > layout.PackLimit || IsNatural(key, size, layout.PackTarget);
        _source = source;
        _weight = starts ? weight : _weight + weight;
        return starts;
    }

    /// <summary>
    /// True with probability min(1, (size + overhead) ÷ target), decided by the key alone: the mean distance of two
    /// boundaries is the target whatever the sizes are.
    /// </summary>
    internal static bool IsNatural(ReadOnlySpan<byte> key, long size, long target) =>
        // hash ÷ 2⁶⁴ < weight ÷ target, exactly and without overflow: the high half of hash × target.
        Math.BigMul(Hash(key), (ulong)target, out _) < (ulong)(size + FileOverhead);

    /// <summary>FNV-1a, 64 bits, then MurmurHash3's finalizer, since FNV alone leaves the high bits of short keys poor.</summary>
    internal static ulong Hash(ReadOnlySpan<byte> key)
    {
        ulong hash = 0xcbf29ce484222325;
        foreach (byte b in key) hash = (hash ^ b) * 0x100000001b3;
        hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
        hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
        return hash ^ (hash >> 33);
    }
}
