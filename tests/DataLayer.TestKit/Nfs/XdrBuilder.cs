using System.Buffers.Binary;

namespace DataLayer.TestKit.Nfs;

/// <summary>Writes XDR (RFC 4506) for the scripted server's answers.</summary>
public sealed class XdrBuilder
{
    readonly MemoryStream _bytes = new();

    public XdrBuilder Int(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        _bytes.Write(bytes);
        return this;
    }

    public XdrBuilder Long(ulong value) => Int((uint)(value >> 32)).Int((uint)value);

    public XdrBuilder Opaque(ReadOnlySpan<byte> value)
    {
        Int((uint)value.Length);
        _bytes.Write(value);
        for (int i = value.Length; i % 4 != 0; i++) _bytes.WriteByte(0);
        return this;
    }

    public XdrBuilder Add(byte[] encoded)
    {
        _bytes.Write(encoded);
        return this;
    }

    public byte[] ToArray() => _bytes.ToArray();
}
