using System.Runtime.CompilerServices;

namespace DataLayer.Formats;

/// <summary>
/// An array of unsigned integers in a manifest, one every <paramref name="stride"/> bytes: value = origin + scale × stored,
/// where stored takes <paramref name="width"/> (0..8) bytes. These are chosen per manifest: whole-second times cost 4 bytes,
/// a column of equal values none. Columns that are read together share rows, since a cache miss (and, in hundreds of
/// megabytes, a TLB miss with it) costs far more than the load. The extent was checked at open.
/// </summary>
internal readonly struct Column(MappedPages pages, long start, int width, int stride, int count, ulong origin, ulong scale)
{
    readonly ulong _mask = width == 8 ? ulong.MaxValue : (1UL << (8 * width)) - 1;

    internal int Count => count;

    /// <exception cref="ArgumentOutOfRangeException">Not an index of this column.</exception>
    internal ulong this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if ((uint)index >= (uint)count) ThrowIndex(index);
            return origin + scale * (width == 0 ? 0 : pages.Word(start + ((long)index * stride), width) & _mask);
        }
    }

    void ThrowIndex(int index) => throw new ArgumentOutOfRangeException(nameof(index), index, $"The manifest has {count} of these.");
}
