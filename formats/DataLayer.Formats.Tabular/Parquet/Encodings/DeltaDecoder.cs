namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>
/// DELTA_BINARY_PACKED (parquet-format, Encodings.md): blocks of a smallest delta and miniblocks of bit-packed
/// differences to it. Read in as many steps as the caller likes; arithmetic wraps, as writers' does.
/// </summary>
internal struct DeltaDecoder
{
    readonly byte[] buffer;
    readonly int end;
    int position;
    int blockSize;
    int miniblocks;
    int perMiniblock;
    long total;
    long left;
    long value;
    bool firstPending;
    long smallest;
    int widthsAt;
    int miniblock;
    int leftInMiniblock;
    int width;
    long bit;

    public DeltaDecoder(byte[] buffer, int start, int end)
    {
        this.buffer = buffer;
        this.end = end;
        position = start;
    }

    /// <summary>Values not yet read.</summary>
    public readonly long Left => left;

    /// <summary>Reads the header; null, or what is wrong with it.</summary>
    public string? Start()
    {
        if (!TryVarInt(out ulong block) || !TryVarInt(out ulong minis) || !TryVarInt(out ulong count) || !TryZigZag(out value))
        {
            return "the header of a DELTA_BINARY_PACKED block ends in the middle";
        }
        // The format wants miniblocks of a multiple of 32 values; 8 is what makes them whole bytes. The upper bound is
        // beyond every writer (blocks are of 128 values) and keeps the sizes below inside an int.
        if (block is 0 or > 1 << 20 || minis is 0 or > 1 << 16 || block % minis != 0 || block / minis % 8 != 0 || count > long.MaxValue)
        {
            return $"DELTA_BINARY_PACKED blocks of {block} values in {minis} miniblocks do not exist";
        }
        blockSize = (int)block;
        miniblocks = (int)minis;
        perMiniblock = blockSize / miniblocks;
        total = left = (long)count;
        firstPending = count > 0;
        miniblock = miniblocks;
        return null;
    }

    /// <summary>Fills <paramref name="values"/>; false when the data ends first or is malformed.</summary>
    public bool TryDecode(Span<long> values)
    {
        if (values.Length > left) return false;
        left -= values.Length;
        if (firstPending && values.Length > 0)
        {
            values[0] = value;
            values = values[1..];
            firstPending = false;
        }
        while (values.Length > 0)
        {
            if (leftInMiniblock == 0 && !TryNextMiniblock()) return false;
            int count = Math.Min(leftInMiniblock, values.Length);
            if (bit + (long)count * width > (long)end * 8) return false;
            Span<long> part = values[..count];
            BitUnpacker.Unpack(buffer, bit, width, part);
            long current = value;
            for (int i = 0; i < part.Length; i++)
            {
                current = unchecked(current + part[i] + smallest);
                part[i] = current;
            }
            value = current;
            bit += (long)count * width;
            leftInMiniblock -= count;
            values = values[count..];
        }
        return true;
    }

    /// <summary>
    /// Where the data after all values starts; -1 when they are cut off. For a decoder that has only been started.
    /// </summary>
    public readonly int FindEnd()
    {
        DeltaDecoder walker = this;
        long remaining = total - 1;
        while (remaining > 0)
        {
            if (!walker.TryNextMiniblock()) return -1;
            remaining -= perMiniblock;
        }
        return walker.position;
    }

    bool TryNextMiniblock()
    {
        if (miniblock == miniblocks)
        {
            if (!TryZigZag(out smallest) || end - position < miniblocks) return false;
            widthsAt = position;
            position += miniblocks;
            miniblock = 0;
        }
        width = buffer[widthsAt + miniblock++];
        if (width > 64) return false;
        bit = (long)position * 8;
        long size = (long)perMiniblock * width / 8;
        // A writer may leave out the padding of the last miniblock: the values themselves are checked when they are read.
        position = (int)Math.Min(end, position + size);
        leftInMiniblock = perMiniblock;
        return true;
    }

    bool TryZigZag(out long result)
    {
        bool ok = TryVarInt(out ulong raw);
        result = (long)(raw >> 1) ^ -(long)(raw & 1);
        return ok;
    }

    bool TryVarInt(out ulong result)
    {
        result = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (position >= end) return false;
            byte b = buffer[position++];
            result |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return true;
        }
        return false;
    }
}
