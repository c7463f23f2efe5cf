using System.Buffers.Binary;

namespace DataLayer.Sources.Nfs;

/// <summary>Writes XDR (RFC 4506) into a call's buffer.</summary>
internal ref struct XdrWriter(Span<byte> buffer)
{
    readonly Span<byte> _buffer = buffer;

    public int Length { get; private set; }

    /// <exception cref="ArgumentOutOfRangeException">The buffer is full; so do all below.</exception>
    public void WriteUInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer[Length..], value);
        Length += 4;
    }

    public void WriteUInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_buffer[Length..], value);
        Length += 8;
    }

    public void WriteOpaque(ReadOnlySpan<byte> value)
    {
        WriteUInt32((uint)value.Length);
        value.CopyTo(_buffer[Length..]);
        Length += value.Length;
        int padding = -value.Length & 3;
        _buffer.Slice(Length, padding).Clear();
        Length += padding;
    }

    public void WriteZeros(int bytes)
    {
        _buffer.Slice(Length, bytes).Clear();
        Length += bytes;
    }
}
