namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>BYTE_STREAM_SPLIT: the first bytes of all values, then the second bytes, and so on.</summary>
/// <param name="fixedLength">Bytes per value of a fixed-length column, whose values get a buffer of their own; else 0.</param>
internal sealed class ByteStreamSplitDecoder(int fixedLength, MemoryBudget budget, FaultSite site) : ValueDecoder(site)
{
    int start;
    int next;

    protected override void StartPage()
    {
        start = Position;
        next = 0;
    }

    public override void Decode(int count, ColumnVector vector)
    {
        int size = fixedLength == 0 ? vector.ValueSize : fixedLength;
        int values = (End - start) / size;
        if (values * size != End - start) throw Site.Corrupt($"{End - start} bytes are no whole number of {size}-byte values");
        if (count > values - next) throw TooShort();
        Span<byte> to;
        if (fixedLength == 0)
        {
            to = vector.AppendFixed(count);
        }
        else
        {
            byte[] joined = budget.Rent((long)count * size, Site);
            int slot = vector.Adopt(joined);
            Span<ByteSlice> slices = vector.AppendSlices(count);
            for (int i = 0; i < count; i++) slices[i] = new ByteSlice(slot, i * size, size);
            to = joined.AsSpan(0, count * size);
        }
        for (int stream = 0; stream < size; stream++)
        {
            ReadOnlySpan<byte> from = Buffer.AsSpan(start + stream * values + next, count);
            for (int i = 0, at = stream; i < from.Length; i++, at += size) to[at] = from[i];
        }
        next += count;
    }
}
