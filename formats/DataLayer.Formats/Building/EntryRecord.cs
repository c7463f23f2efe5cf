using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>Who wins when several records name one path: the lowest.</summary>
internal enum RecordRank : byte
{
    /// <summary>A directory that the source lists, with or without attributes.</summary>
    ExplicitDirectory = 0,
    /// <summary>A directory that some key or sub-path lies below.</summary>
    ImpliedDirectory = 1,
    FileOrSymlink = 2,
}

/// <summary>
/// One entry on its way through the sorter. Its sort key is the place in the tree: depth (u16, big endian), then the path
/// with 0 for '/', which compares like the list of components. What follows decides between records of one path, in order:
/// rank, source, newest mtime, then everything else, so that the winner does not depend on the order of arrival.
/// </summary>
internal readonly ref struct EntryRecord(ReadOnlySpan<byte> key, ReadOnlySpan<byte> rest)
{
    internal const int DepthSize = 2;
    const int FixedRest = 1 + 2 + 8 + 1 + 1 + 8 + 2 + 4 + 4 + 2 + 2;
    internal const int MaxRest = FixedRest + Recipe.MaxVersionTag + ManifestFormat.MaxPath;

    const byte MarkerFlag = 1;

    readonly ReadOnlySpan<byte> _rest = rest;

    /// <summary>Depth and path.</summary>
    internal ReadOnlySpan<byte> Key { get; } = key;

    /// <summary>Components separated by 0.</summary>
    internal ReadOnlySpan<byte> Path => Key[DepthSize..];
    internal bool IsRoot => Key.Length == DepthSize;

    internal RecordRank Rank => (RecordRank)_rest[0];
    internal int Source => BinaryPrimitives.ReadUInt16BigEndian(_rest[1..]);
    internal long MtimeNs => (long)(~BinaryPrimitives.ReadUInt64BigEndian(_rest[3..]) ^ Manifest.SignBit);
    /// <summary>The key ended in '/'.</summary>
    internal bool IsMarker => _rest[11] == MarkerFlag;
    internal EntryKind Kind => (EntryKind)_rest[12];
    internal long Size => BinaryPrimitives.ReadInt64LittleEndian(_rest[13..]);
    internal int Mode => BinaryPrimitives.ReadInt16LittleEndian(_rest[21..]);
    internal long Uid => Owner(_rest[23..]);
    internal long Gid => Owner(_rest[27..]);
    int TagLength => BinaryPrimitives.ReadUInt16LittleEndian(_rest[31..]);
    internal ReadOnlySpan<byte> VersionTag => _rest.Slice(FixedRest, TagLength);
    internal ReadOnlySpan<byte> LinkTarget => _rest[(FixedRest + TagLength)..];

    /// <summary>uid_t and gid_t are 32 bits, and all ones is "none" to the kernel too.</summary>
    internal const uint NoOwner = uint.MaxValue;

    static long Owner(ReadOnlySpan<byte> at)
    {
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(at);
        return value == NoOwner ? -1 : value;
    }

    /// <summary>Writes all but the key; returns its bytes.</summary>
    /// <param name="destination"><see cref="MaxRest"/> bytes.</param>
    /// <param name="entry">Attributes within their ranges (<see cref="KeyJudge"/>).</param>
    internal static int WriteRest(Span<byte> destination, RecordRank rank, int source, bool marker, in SourceEntry entry, long mtimeNs)
    {
        ReadOnlySpan<byte> tag = rank == RecordRank.FileOrSymlink && entry.Kind == EntryKind.File ? entry.VersionTag : default;
        ReadOnlySpan<byte> target = entry.Kind == EntryKind.Symlink ? entry.LinkTarget : default;
        destination[0] = (byte)rank;
        BinaryPrimitives.WriteUInt16BigEndian(destination[1..], (ushort)source);
        BinaryPrimitives.WriteUInt64BigEndian(destination[3..], ~((ulong)mtimeNs ^ Manifest.SignBit));
        destination[11] = marker ? MarkerFlag : (byte)0;
        destination[12] = (byte)entry.Kind;
        BinaryPrimitives.WriteInt64LittleEndian(destination[13..], entry.Size);
        BinaryPrimitives.WriteInt16LittleEndian(destination[21..], (short)entry.Mode);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[23..], entry.Uid < 0 ? NoOwner : (uint)entry.Uid);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[27..], entry.Gid < 0 ? NoOwner : (uint)entry.Gid);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[31..], (ushort)tag.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[33..], (ushort)target.Length);
        tag.CopyTo(destination[FixedRest..]);
        target.CopyTo(destination[(FixedRest + tag.Length)..]);
        return FixedRest + tag.Length + target.Length;
    }
}
