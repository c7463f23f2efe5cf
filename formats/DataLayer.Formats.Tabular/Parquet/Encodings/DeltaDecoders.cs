using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>DELTA_BINARY_PACKED integers.</summary>
internal sealed class DeltaIntegerDecoder(FaultSite site) : ValueDecoder(site)
{
    readonly long[] step = new long[256];
    DeltaDecoder deltas;

    protected override void StartPage()
    {
        deltas = new DeltaDecoder(Buffer, Position, End);
        // A page of nulls may have no bytes at all here.
        if (Position < End && deltas.Start() is { } problem) throw Site.Corrupt(problem);
    }

    public override void Decode(int count, ColumnVector vector)
    {
        if (vector.ValueSize == 8)
        {
            if (!deltas.TryDecode(MemoryMarshal.Cast<byte, long>(vector.AppendFixed(count)))) throw TooShort();
            return;
        }
        Span<int> values = MemoryMarshal.Cast<byte, int>(vector.AppendFixed(count));
        while (values.Length > 0)
        {
            Span<long> part = step.AsSpan(0, Math.Min(step.Length, values.Length));
            if (!deltas.TryDecode(part)) throw TooShort();
            for (int i = 0; i < part.Length; i++) values[i] = unchecked((int)part[i]);
            values = values[part.Length..];
        }
    }
}

/// <summary>DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.</summary>
internal sealed class DeltaLengthDecoder(FaultSite site) : ValueDecoder(site)
{
    readonly long[] step = new long[256];
    DeltaDecoder lengths;

    protected override void StartPage()
    {
        lengths = new DeltaDecoder(Buffer, Position, End);
        if (Position == End) return;
        if (lengths.Start() is { } problem) throw Site.Corrupt(problem);
        int dataAt = lengths.FindEnd();
        if (dataAt < 0) throw TooShort();
        Position = dataAt;
    }

    public override void Decode(int count, ColumnVector vector)
    {
        Span<ByteSlice> slices = vector.AppendSlices(count);
        while (slices.Length > 0)
        {
            Span<long> part = step.AsSpan(0, Math.Min(step.Length, slices.Length));
            if (!lengths.TryDecode(part)) throw TooShort();
            for (int i = 0; i < part.Length; i++)
            {
                if ((ulong)part[i] > (ulong)(End - Position)) throw Site.Corrupt($"a value of {part[i]} bytes in a page with {End - Position} bytes left");
                slices[i] = new ByteSlice(Slot, Position, (int)part[i]);
                Position += (int)part[i];
            }
            slices = slices[part.Length..];
        }
    }
}

/// <summary>
/// DELTA_BYTE_ARRAY: how many bytes each value shares with the one before it, then the lengths of the rests, then the
/// rests. Values are put together in a buffer of their own.
/// </summary>
/// <param name="fixedLength">What every value must have, or 0.</param>
internal sealed class DeltaByteArrayDecoder(int fixedLength, MemoryBudget budget, FaultSite site) : ValueDecoder(site)
{
    readonly long[] prefixes = new long[256];
    readonly long[] suffixes = new long[256];
    DeltaDecoder prefixLengths;
    DeltaDecoder suffixLengths;
    byte[] last = [];
    int lastLength;

    protected override void StartPage()
    {
        lastLength = 0;
        prefixLengths = new DeltaDecoder(Buffer, Position, End);
        suffixLengths = prefixLengths;
        if (Position == End) return;
        if (prefixLengths.Start() is { } problem) throw Site.Corrupt(problem);
        int suffixesAt = prefixLengths.FindEnd();
        if (suffixesAt < 0) throw TooShort();
        suffixLengths = new DeltaDecoder(Buffer, suffixesAt, End);
        if (suffixLengths.Start() is { } secondProblem) throw Site.Corrupt(secondProblem);
        int dataAt = suffixLengths.FindEnd();
        if (dataAt < 0) throw TooShort();
        Position = dataAt;
    }

    public override void Decode(int count, ColumnVector vector)
    {
        Span<ByteSlice> slices = vector.AppendSlices(count);
        while (slices.Length > 0)
        {
            int n = Math.Min(prefixes.Length, slices.Length);
            if (!prefixLengths.TryDecode(prefixes.AsSpan(0, n)) || !suffixLengths.TryDecode(suffixes.AsSpan(0, n))) throw TooShort();
            DecodeStep(n, slices, vector);
            slices = slices[n..];
        }
    }

    void DecodeStep(int n, Span<ByteSlice> slices, ColumnVector vector)
    {
        long total = 0;
        long previous = lastLength;
        long rest = End - Position;
        for (int i = 0; i < n; i++)
        {
            if ((ulong)prefixes[i] > (ulong)previous) throw Site.Corrupt($"a value shares {prefixes[i]} bytes with one of {previous} bytes");
            if ((ulong)suffixes[i] > (ulong)rest) throw Site.Corrupt($"a value of {suffixes[i]} further bytes in a page with {rest} bytes left");
            rest -= suffixes[i];
            previous = prefixes[i] + suffixes[i];
            if (fixedLength != 0 && previous != fixedLength) throw Site.Corrupt($"a value of {previous} bytes in a column of {fixedLength} bytes");
            total += previous;
        }
        byte[] values = budget.Rent(total, Site);
        int slot = vector.Adopt(values);
        ReadOnlySpan<byte> before = last.AsSpan(0, lastLength);
        int at = 0;
        for (int i = 0; i < n; i++)
        {
            int prefix = (int)prefixes[i];
            int suffix = (int)suffixes[i];
            before[..prefix].CopyTo(values.AsSpan(at));
            Buffer.AsSpan(Position, suffix).CopyTo(values.AsSpan(at + prefix));
            Position += suffix;
            slices[i] = new ByteSlice(slot, at, prefix + suffix);
            before = values.AsSpan(at, prefix + suffix);
            at += prefix + suffix;
        }
        if (before.Length > last.Length) last = new byte[before.Length];
        before.CopyTo(last);
        lastLength = before.Length;
    }
}
