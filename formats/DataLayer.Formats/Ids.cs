using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DataLayer.Formats;

/// <summary>A SHA-256 value: the common form of every content-derived id. Written as 64 lower-case hex digits.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct Digest(ulong A, ulong B, ulong C, ulong D)
{
    public const int Size = 32;

    static readonly System.Buffers.SearchValues<char> LowerHex = System.Buffers.SearchValues.Create("0123456789abcdef");

    /// <param name="bytes">Exactly 32 bytes, as SHA-256 emits them.</param>
    public static Digest Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]));

    /// <param name="destination">At least 32 bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, A);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], D);
    }

    public static Digest Of(ReadOnlySpan<byte> content)
    {
        Span<byte> hash = stackalloc byte[Size];
        System.Security.Cryptography.SHA256.HashData(content, hash);
        return Read(hash);
    }

    /// <summary>Parses exactly 64 lower-case hex digits; anything else is false, so that a file name has one spelling only.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Digest value)
    {
        value = default;
        if (text.Length != 2 * Size || text.ContainsAnyExcept(LowerHex)) return false;
        Span<byte> bytes = stackalloc byte[Size];
        Convert.FromHexString(text, bytes, out _, out _);
        value = Read(bytes);
        return true;
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return Convert.ToHexStringLower(bytes);
    }
}

/// <summary>Identity of a snapshot: the digest of its manifest's content.</summary>
public readonly record struct SnapshotId(Digest Value)
{
    public override string ToString() => Value.ToString();
}

/// <summary>Identity of a block (one pack, or one slice of a large file): the digest of its recipe.</summary>
public readonly record struct BlockId(Digest Value)
{
    public override string ToString() => Value.ToString();
}

/// <summary>
/// Identity of one local file of a block store. It holds either one pack (then it equals the pack's <see cref="BlockId"/>)
/// or all slices of one large file (then it is the digest of that file's recipe), so that a complete large file can be
/// handed to the kernel as it is.
/// </summary>
public readonly record struct BlockFileId(Digest Value)
{
    public override string ToString() => Value.ToString();
}

/// <summary>
/// A FUSE node id and inode number: a 64-bit hash of path and recipe, so that an unchanged file keeps it across
/// snapshots and restarts. 0 is never used and 1 is the root (the kernel's FUSE_ROOT_ID).
/// </summary>
public readonly record struct NodeId(ulong Value)
{
    public static readonly NodeId Root = new(1);
}

/// <summary>Ordinal of an entry (directory, file or symlink) in one manifest; meaningless in any other. The root is 0.</summary>
public readonly record struct EntryIndex(int Value)
{
    public static readonly EntryIndex Root = new(0);
}
