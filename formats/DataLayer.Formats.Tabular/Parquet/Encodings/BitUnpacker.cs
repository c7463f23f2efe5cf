using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>Little-endian bit packing, the first value in the lowest bits.</summary>
internal static class BitUnpacker
{
    static readonly ulong[] BitsAsBytes = BuildBitsAsBytes();

    /// <summary>
    /// Values of <paramref name="width"/> bits (0 to 32) from bit <paramref name="bit"/> of <paramref name="buffer"/>
    /// on. The caller has checked that they end in the buffer's content; 8 bytes after it are readable.
    /// </summary>
    public static void Unpack(byte[] buffer, long bit, int width, Span<int> values)
    {
        if (width == 0)
        {
            values.Clear();
            return;
        }
        CheckBounds(buffer, bit, width, values.Length);
        // Safety: CheckBounds proved that the last 8-byte load ends inside the array.
        ref byte start = ref MemoryMarshal.GetArrayDataReference(buffer);
        ulong mask = (1UL << width) - 1;
        int i = 0;
        if (width <= 8 && (bit & 7) == 0)
        {
            // Eight values are exactly `width` bytes: one load serves all.
            nint at = (nint)(bit >> 3);
            for (; i + 8 <= values.Length; i += 8, at += width)
            {
                ulong word = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, at));
                ref int to = ref values[i..][7];
                Unsafe.Add(ref to, -7) = (int)(word & mask);
                Unsafe.Add(ref to, -6) = (int)((word >> width) & mask);
                Unsafe.Add(ref to, -5) = (int)((word >> (2 * width)) & mask);
                Unsafe.Add(ref to, -4) = (int)((word >> (3 * width)) & mask);
                Unsafe.Add(ref to, -3) = (int)((word >> (4 * width)) & mask);
                Unsafe.Add(ref to, -2) = (int)((word >> (5 * width)) & mask);
                Unsafe.Add(ref to, -1) = (int)((word >> (6 * width)) & mask);
                to = (int)((word >> (7 * width)) & mask);
            }
            bit += (long)i * width;
        }
        for (; i < values.Length; i++, bit += width)
        {
            ulong word = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, (nint)(bit >> 3)));
            values[i] = (int)((word >> (int)(bit & 7)) & mask);
        }
    }

    /// <summary>As the other overload, for widths up to 64.</summary>
    public static void Unpack(byte[] buffer, long bit, int width, Span<long> values)
    {
        if (width == 0)
        {
            values.Clear();
            return;
        }
        CheckBounds(buffer, bit, width, values.Length);
        // Safety: as above; the ninth byte is read only when the value reaches into it.
        ref byte start = ref MemoryMarshal.GetArrayDataReference(buffer);
        ulong mask = width == 64 ? ulong.MaxValue : (1UL << width) - 1;
        for (int i = 0; i < values.Length; i++, bit += width)
        {
            nint at = (nint)(bit >> 3);
            int shift = (int)(bit & 7);
            ulong word = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, at)) >> shift;
            if (shift + width > 64) word |= (ulong)Unsafe.Add(ref start, at + 8) << (64 - shift);
            values[i] = (long)(word & mask);
        }
    }

    /// <summary>As the other overloads, for widths 0 to 7 into bytes: levels and booleans.</summary>
    public static void Unpack(byte[] buffer, long bit, int width, Span<byte> values)
    {
        if (width == 0)
        {
            values.Clear();
            return;
        }
        CheckBounds(buffer, bit, width, values.Length);
        // Safety: as above.
        ref byte start = ref MemoryMarshal.GetArrayDataReference(buffer);
        int i = 0;
        if (width == 1)
        {
            for (; i < values.Length && (bit & 7) != 0; i++, bit++) values[i] = (byte)((buffer[bit >> 3] >> (int)(bit & 7)) & 1);
            for (; i + 8 <= values.Length; i += 8, bit += 8)
            {
                Unsafe.WriteUnaligned(ref values[i..][0], BitsAsBytes[Unsafe.Add(ref start, (nint)(bit >> 3))]);
            }
        }
        ulong mask = (1UL << width) - 1;
        for (; i < values.Length; i++, bit += width)
        {
            ulong word = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, (nint)(bit >> 3)));
            values[i] = (byte)((word >> (int)(bit & 7)) & mask);
        }
    }

    /// <summary>The deprecated BIT_PACKED levels: the first value in the highest bits (parquet-format, Encodings.md).</summary>
    public static void UnpackBigEndian(byte[] buffer, long bit, int width, Span<byte> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            int value = 0;
            for (int k = 0; k < width; k++, bit++) value = (value << 1) | ((buffer[bit >> 3] >> (7 - (int)(bit & 7))) & 1);
            values[i] = (byte)value;
        }
    }

    static void CheckBounds(byte[] buffer, long bit, int width, int count)
    {
        long last = (bit + (long)width * Math.Max(0, count - 1)) >> 3;
        ArgumentOutOfRangeException.ThrowIfNegative(bit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(last + 8, buffer.Length);
    }

    static ulong[] BuildBitsAsBytes()
    {
        var table = new ulong[256];
        for (int b = 0; b < 256; b++)
        {
            for (int bit = 0; bit < 8; bit++) table[b] |= (ulong)((b >> bit) & 1) << (8 * bit);
        }
        return table;
    }
}
