using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Formats;

/// <summary>
/// The identities derived from content recipes: pure functions that every node computes alike. Each hashes a format tag
/// and then its fields, variable-length ones prefixed by their length (u32, little endian), so that no two different
/// recipes give the same bytes. A change here gives every cached block a new id: add a new tag, never edit one.
/// </summary>
public static class Recipe
{
    internal const int MaxKey = 4095;
    internal const int MaxVersionTag = 2048;

    static ReadOnlySpan<byte> SourceTag => "datalayer source 1\n"u8;
    static ReadOnlySpan<byte> FileTag => "datalayer file 1\n"u8;
    static ReadOnlySpan<byte> PackTag => "datalayer pack 1\n"u8;
    static ReadOnlySpan<byte> SliceTag => "datalayer slice 1\n"u8;
    static ReadOnlySpan<byte> NodeTag => "datalayer node 1\n"u8;

    /// <summary>The form in which a source enters its files' recipes, so that a long identity is hashed once.</summary>
    internal static Digest Source(string identity) => Digest.Of([.. SourceTag, .. Encoding.UTF8.GetBytes(identity)]);

    /// <summary>One version of one file. The modification time enters only through the version tag.</summary>
    [SkipLocalsInit]
    internal static Digest File(in Digest source, ReadOnlySpan<byte> key, ReadOnlySpan<byte> versionTag, long size)
    {
        int length = FileTag.Length + Digest.Size + 4 + key.Length + 4 + versionTag.Length + 8;
        Span<byte> message = stackalloc byte[FileTag.Length + Digest.Size + 4 + MaxKey + 4 + MaxVersionTag + 8];
        FileTag.CopyTo(message);
        Span<byte> rest = message[FileTag.Length..];
        source.Write(rest);
        rest = AppendPrefixed(AppendPrefixed(rest[Digest.Size..], key), versionTag);
        BinaryPrimitives.WriteInt64LittleEndian(rest, size);
        return Digest.Of(message[..length]);
    }

    /// <summary>Node id of a file: its path and version. <paramref name="content"/> is the file's recipe.</summary>
    internal static NodeId FileNode(ReadOnlySpan<byte> path, in Digest content)
    {
        Span<byte> bytes = stackalloc byte[Digest.Size];
        content.Write(bytes);
        return Node((byte)'f', path, bytes);
    }

    internal static NodeId SymlinkNode(ReadOnlySpan<byte> path, ReadOnlySpan<byte> target) => Node((byte)'l', path, target);

    /// <summary>Node id of a directory: its path only, so that a change below it does not make it another directory.</summary>
    internal static NodeId DirectoryNode(ReadOnlySpan<byte> path) => path.IsEmpty ? NodeId.Root : Node((byte)'d', path, default);

    /// <summary>The id that the <paramref name="ordinal"/>th later entry with an id already taken gets instead.</summary>
    internal static NodeId Salted(NodeId taken, uint ordinal)
    {
        Span<byte> message = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(message, taken.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(message[8..], ordinal);
        return Node((byte)'s', message, default);
    }

    [SkipLocalsInit]
    static NodeId Node(byte kind, ReadOnlySpan<byte> path, ReadOnlySpan<byte> content)
    {
        int length = NodeTag.Length + 1 + 4 + path.Length + 4 + content.Length;
        Span<byte> message = stackalloc byte[NodeTag.Length + 1 + 4 + MaxKey + 4 + MaxKey];
        NodeTag.CopyTo(message);
        message[NodeTag.Length] = kind;
        AppendPrefixed(AppendPrefixed(message[(NodeTag.Length + 1)..], path), content);
        Span<byte> hash = stackalloc byte[Digest.Size];
        SHA256.HashData(message[..length], hash);
        ulong id = BinaryPrimitives.ReadUInt64BigEndian(hash);
        // 0 is no node and 1 the root: both are FUSE's. The next eight bytes are as good.
        return new NodeId(id > 1 ? id : BinaryPrimitives.ReadUInt64BigEndian(hash[8..]) | 2);
    }

    /// <summary>Starts a pack's id; append each file's recipe in unit order (<see cref="AppendToPack"/>), then <see cref="FinishPack"/>.</summary>
    internal static IncrementalHash StartPack()
    {
        IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(PackTag);
        return hash;
    }

    internal static void AppendToPack(IncrementalHash pack, in Digest file)
    {
        Span<byte> bytes = stackalloc byte[Digest.Size];
        file.Write(bytes);
        pack.AppendData(bytes);
    }

    /// <summary>The finished id; the hash is ready for the next pack.</summary>
    internal static BlockFileId FinishPack(IncrementalHash pack)
    {
        Span<byte> bytes = stackalloc byte[Digest.Size];
        pack.GetHashAndReset(bytes);
        pack.AppendData(PackTag);
        return new BlockFileId(Digest.Read(bytes));
    }

    /// <summary>Block id of slice <paramref name="index"/> of a large file.</summary>
    /// <param name="file">The large file's <see cref="FileLocation.BlockFile"/>.</param>
    /// <param name="sliceSize">Bytes, <see cref="LayoutParameters.SliceSize"/>.</param>
    public static BlockId Slice(BlockFileId file, long index, long sliceSize)
    {
        Span<byte> message = stackalloc byte[SliceTag.Length + Digest.Size + 8 + 8];
        SliceTag.CopyTo(message);
        Span<byte> rest = message[SliceTag.Length..];
        file.Value.Write(rest);
        BinaryPrimitives.WriteInt64LittleEndian(rest[Digest.Size..], index);
        BinaryPrimitives.WriteInt64LittleEndian(rest[(Digest.Size + 8)..], sliceSize);
        return new BlockId(Digest.Of(message));
    }

    static Span<byte> AppendPrefixed(Span<byte> destination, ReadOnlySpan<byte> field)
    {
        BinaryPrimitives.WriteInt32LittleEndian(destination, field.Length);
        field.CopyTo(destination[4..]);
        return destination[(4 + field.Length)..];
    }
}
