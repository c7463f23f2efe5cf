using System.Runtime.CompilerServices;

namespace DataLayer.Formats;

/// <summary>
/// A fixed-width array of unsigned integers in a manifest: value = base + scale × stored, where stored takes
/// <paramref name="width"/> (0..8) bytes. Width, base and scale are chosen per manifest: whole-second times cost 4 bytes,
/// a column of equal values none. The section's extent was checked against width and count at open.
/// </summary>
internal readonly struct Column(MappedPages pages, long start, int width, int count, ulong origin, ulong scale)
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
            return origin + scale * (width == 0 ? 0 : pages.Word(start + (long)index * width, width) & _mask);
        }
    }

    void ThrowIndex(int index) => throw new ArgumentOutOfRangeException(nameof(index), index, $"The manifest has {count} of these.");
}
