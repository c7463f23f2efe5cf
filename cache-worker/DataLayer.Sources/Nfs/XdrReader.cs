using System.Buffers.Binary;

namespace DataLayer.Sources.Nfs;

/// <summary>Reads XDR (RFC 4506): big-endian, everything padded to 4 bytes. Nothing that a server sends is trusted.</summary>
internal ref struct XdrReader(ReadOnlySpan<byte> bytes)
{
    ReadOnlySpan<byte> _rest = bytes;

    public readonly int Left => _rest.Length;

    /// <exception cref="XdrException">The reply ends within the value; so do all below.</exception>
    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    public long ReadInt64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));

    public bool ReadBool() => ReadUInt32() switch
    {
        0 => false,
        1 => true,
        _ => throw new XdrException("a truth value that is neither 0 nor 1"),
    };

    /// <param name="limit">Bytes at most.</param>
    public ReadOnlySpan<byte> ReadOpaque(int limit)
    {
        uint length = ReadUInt32();
        if (length > limit) throw new XdrException($"{length} bytes where at most {limit} belong");
        ReadOnlySpan<byte> value = Take((int)length);
        Take(-(int)length & 3);
        return value;
    }

    public void Skip(int bytes) => Take(bytes);

    ReadOnlySpan<byte> Take(int bytes)
    {
        if (bytes > _rest.Length) throw new XdrException("the reply is cut off");
        ReadOnlySpan<byte> taken = _rest[..bytes];
        _rest = _rest[bytes..];
        return taken;
    }
}

/// <summary>A reply that is not what the protocol says; the message tells what was found.</summary>
internal sealed class XdrException(string message) : Exception(message);
