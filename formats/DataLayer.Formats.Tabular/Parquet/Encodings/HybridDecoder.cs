using System.Runtime.CompilerServices;

namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>
/// The RLE/bit-packing hybrid of levels, booleans and dictionary indexes (parquet-format, Encodings.md, RLE = 3), read
/// in as many steps as the caller likes.
/// </summary>
internal struct HybridDecoder(byte[] buffer, int start, int end, int width)
{
    int position = start;
    long literalBit;
    long left;
    int repeated;
    bool literal;

    /// <summary>Fills <paramref name="values"/>; false when the data ends first.</summary>
    public bool TryDecode(Span<int> values)
    {
        while (values.Length > 0)
        {
            if (!TryTake(values.Length, out int count, out long bit)) return false;
            if (literal) BitUnpacker.Unpack(buffer, bit, width, values[..count]);
            else values[..count].Fill(repeated);
            values = values[count..];
        }
        return true;
    }

    /// <summary>
    /// The same for widths up to 7. A repeated value stands in a whole byte and may be larger than the width allows.
    /// </summary>
    public bool TryDecode(Span<byte> values)
    {
        while (values.Length > 0)
        {
            if (!TryTake(values.Length, out int count, out long bit)) return false;
            if (literal) BitUnpacker.Unpack(buffer, bit, width, values[..count]);
            else values[..count].Fill((byte)repeated);
            values = values[count..];
        }
        return true;
    }

    /// <summary>Takes up to <paramref name="wanted"/> values of one run; literal ones start at <paramref name="bit"/>.</summary>
    bool TryTake(int wanted, out int count, out long bit)
    {
        count = 0;
        bit = 0;
        if (left == 0 && !TryNextRun()) return false;
        count = (int)Math.Min(left, wanted);
        left -= count;
        bit = literalBit;
        if (literal) literalBit += (long)count * width;
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    bool TryNextRun()
    {
        uint header = 0;
        for (int shift = 0; ; shift += 7)
        {
            if (position >= end || shift > 28) return false;
            byte b = buffer[position++];
            header |= (uint)(b & 0x7F) << shift;
            if (b < 0x80) break;
        }
        literal = (header & 1) != 0;
        if (!literal)
        {
            left = header >> 1;
            int bytes = (width + 7) / 8;
            if (left == 0 || end - position < bytes) return false;
            repeated = 0;
            for (int i = 0; i < bytes; i++) repeated |= buffer[position + i] << (8 * i);
            position += bytes;
            return true;
        }
        long groups = header >> 1;
        // Writers may leave the unused bytes of the last group out.
        long size = Math.Min(groups * width, end - position);
        left = width == 0 ? groups * 8 : Math.Min(groups * 8, size * 8 / width);
        literalBit = (long)position * 8;
        position += (int)size;
        return left > 0;
    }
}
