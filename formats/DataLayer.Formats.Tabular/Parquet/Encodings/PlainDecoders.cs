using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>Integers, floating point and INT96: little-endian, one after another, as the vector wants them.</summary>
internal sealed class PlainFixedDecoder(FaultSite site) : ValueDecoder(site)
{
    public override void Decode(int count, ColumnVector vector)
    {
        long size = (long)count * vector.ValueSize;
        if (size > End - Position) throw TooShort();
        Buffer.AsSpan(Position, (int)size).CopyTo(vector.AppendFixed(count));
        Position += (int)size;
    }
}

/// <summary>One bit per value.</summary>
internal sealed class PlainBooleanDecoder(FaultSite site) : ValueDecoder(site)
{
    long bit;

    protected override void StartPage() => bit = (long)Position * 8;

    public override void Decode(int count, ColumnVector vector)
    {
        if (bit + count > (long)End * 8) throw TooShort();
        BitUnpacker.Unpack(Buffer, bit, 1, vector.AppendFixed(count));
        bit += count;
    }
}

/// <summary>Each value after its length in 4 bytes.</summary>
internal sealed class PlainByteArrayDecoder(FaultSite site) : ValueDecoder(site)
{
    public override void Decode(int count, ColumnVector vector)
    {
        Span<ByteSlice> slices = vector.AppendSlices(count);
        // Safety: the loads are of 4 bytes at a position of which End - position >= 4 was checked, inside the array.
        ref byte start = ref MemoryMarshal.GetArrayDataReference(Buffer);
        int position = Position;
        int end = End;
        int slot = Slot;
        for (int i = 0; i < slices.Length; i++)
        {
            if (end - position < 4) throw TooShort();
            int length = Unsafe.ReadUnaligned<int>(ref Unsafe.Add(ref start, position));
            position += 4;
            if ((uint)length > (uint)(end - position)) throw Site.Corrupt($"a value of {(uint)length} bytes in a page with {end - position} bytes left");
            slices[i] = new ByteSlice(slot, position, length);
            position += length;
        }
        Position = position;
    }
}

internal sealed class PlainFixedBytesDecoder(int length, FaultSite site) : ValueDecoder(site)
{
    public override void Decode(int count, ColumnVector vector)
    {
        if ((long)count * length > End - Position) throw TooShort();
        Span<ByteSlice> slices = vector.AppendSlices(count);
        for (int i = 0; i < slices.Length; i++, Position += length) slices[i] = new ByteSlice(Slot, Position, length);
    }
}

/// <summary>Booleans as a hybrid of width 1 after its length in 4 bytes.</summary>
internal sealed class RleBooleanDecoder(FaultSite site) : ValueDecoder(site)
{
    HybridDecoder runs;

    protected override void StartPage()
    {
        if (End - Position < 4) throw TooShort();
        int length = MemoryMarshal.Read<int>(Buffer.AsSpan(Position));
        Position += 4;
        if ((uint)length > (uint)(End - Position)) throw TooShort();
        runs = new HybridDecoder(Buffer, Position, Position + length, 1);
    }

    public override void Decode(int count, ColumnVector vector)
    {
        if (!runs.TryDecode(vector.AppendFixed(count))) throw TooShort();
    }
}
