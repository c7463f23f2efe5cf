namespace DataLayer.Formats;

/// <summary>
/// Layout of a manifest file, all integers little endian:
/// <code>
/// header          128 bytes: magic, version, lengths, snapshot id, checksums
/// section table   48 bytes per section: id, width, stride, offset, count, base, scale
/// sections        bytes at a multiple of 8; columns that are read together interleaved in rows
/// 8 zero bytes    so that a column's last value can be read as 8 bytes
/// page checksums  CRC-32C of each 16 KiB of the file, header and this table left out
/// </code>
/// The snapshot id is the SHA-256 of everything behind the header. Nothing in the file depends on when, where or in which
/// order it was built.
/// </summary>
internal static class ManifestFormat
{
    internal const int Version = 1;
    internal const int HeaderSize = 128;
    internal const int SectionRowSize = 48;
    internal const int TrailingZeros = 8;

    // The scheme of PNG's signature: a high bit, CR LF and LF reveal text-mode copies.
    internal static ReadOnlySpan<byte> Magic => [0x89, (byte)'D', (byte)'L', (byte)'S', (byte)'\r', (byte)'\n', 0x1A, (byte)'\n'];

    // Header fields.
    internal const int VersionAt = 8;
    internal const int SectionCountAt = 12;
    internal const int FileLengthAt = 16;
    internal const int ChecksumsAt = 24;
    internal const int SnapshotIdAt = 32;
    internal const int ChecksumsCrcAt = 64;
    internal const int HeaderCrcAt = 124;

    /// <summary>
    /// Names are front-coded in blocks of 16 that begin with a whole name: 8 would cost one byte per name more, 32 would
    /// double the scan at the end of a lookup.
    /// </summary>
    internal const int BlockShift = 4;
    internal const int BlockEntries = 1 << BlockShift;

    /// <summary>Most bytes of a block of names: 16 names of 255 bytes with their two length bytes.</summary>
    internal const int MaxNameBlock = BlockEntries * (255 + 2);

    internal const int MaxName = 255;
    internal const int MaxPath = 4095;

    /// <summary>A size that does not fit into 32 bits, or equals this mark, stands in the overflow table.</summary>
    internal const uint SizeOverflow = uint.MaxValue;

    internal const int ClassRowSize = 24;
    internal const int PackRowSize = 48;
    internal const int SizeOverflowRowSize = 12;
    internal const int LargeRowSize = 8;

    /// <summary>
    /// Farthest that a node id may lie behind its slot. Uniform ids at load 0.85 stay below a few hundred at 10⁷ entries;
    /// the limit bounds the probing that a hostile manifest can cause.
    /// </summary>
    internal const int MaxProbe = 1 << 14;

    internal static int BlockCount(int entries) => (int)(((long)entries + BlockEntries - 1) >> BlockShift);
}

/// <summary>Sections of format 1; the values are on disk.</summary>
internal enum Section : uint
{
    /// <summary>Layout parameters, counts and sources (<see cref="ManifestMeta"/>).</summary>
    Meta = 1,
    /// <summary>Rows of <see cref="EntryClass"/>.</summary>
    Classes = 2,

    /// <summary>Per entry, in one row with the next three: row in Classes.</summary>
    Class = 3,
    /// <summary>Per entry: bytes of a file or link target, number of a directory.</summary>
    Size = 4,
    /// <summary>Per entry: mtime, sign bit flipped so that order is unsigned.</summary>
    Mtime = 5,
    /// <summary>Per entry: node id.</summary>
    Node = 6,

    /// <summary>Per entry, in one row with the next: first eight bytes of the version tag, or its offset in Heap.</summary>
    TagA = 7,
    /// <summary>Per entry: last eight bytes of the version tag, or its length.</summary>
    TagB = 8,

    /// <summary>Per block of 16 names, and one more, in one row with the next: offset in Names.</summary>
    NameOffset = 9,
    /// <summary>Per block: eight bytes of its first name, big endian, behind what all names of that one's directory share.</summary>
    NameFence = 10,
    /// <summary>Per block: length and bytes of the first name; then per name shared prefix, length of the rest, the rest.</summary>
    Names = 11,

    /// <summary>Per directory number, and one more, in one row with the next two: its first child, or where it would be.</summary>
    DirectoryFirst = 12,
    /// <summary>Per directory: its entry.</summary>
    DirectoryEntry = 13,
    /// <summary>Per directory: bytes that all its children's names begin with.</summary>
    DirectoryShared = 14,

    /// <summary>Open-addressing table over node ids: entries in the order of their ids, 0 for none.</summary>
    NodeTable = 15,
    /// <summary>Rows (entry u32, size u64), by entry.</summary>
    SizeOverflow = 16,

    /// <summary>Per block of 16 entries, in one row with the next two: 1 + the pack begun last before it, 0 for none.</summary>
    BlockPack = 17,
    /// <summary>Per block: bytes of that pack before it.</summary>
    BlockOffset = 18,
    /// <summary>Per block: files of that pack before it.</summary>
    BlockUnit = 19,

    /// <summary>Rows (id 32 bytes, first entry u32, files u32, length u64).</summary>
    Packs = 20,
    /// <summary>Packs in the order of their ids.</summary>
    PackIndex = 21,
    /// <summary>Rows (first 4 bytes of the recipe u32, entry u32) of the large files, in that order.</summary>
    LargeIndex = 22,
    /// <summary>Version tags that are not 16 bytes or 32 hex digits, and link targets.</summary>
    Heap = 23,
    /// <summary>Keys left out: length of the row u32, source u16, rule, length of the remark, remark, key.</summary>
    Report = 24,
}

/// <summary>How a version tag lies in the two tag columns; the values are on disk.</summary>
internal enum TagForm : byte
{
    /// <summary>No tag.</summary>
    None = 0,
    /// <summary>16 bytes, as two little-endian integers.</summary>
    Raw16 = 1,
    /// <summary>32 lower-case hex digits (an object store's plain ETag), as the 16 bytes they spell.</summary>
    Hex32 = 2,
    /// <summary>Offset and length in the heap. Link targets too.</summary>
    Heap = 3,
}

/// <summary>What many entries share: one row of the class table. 24 bytes: kind u8, tag form u8, source u16, mode i32, uid i64, gid i64.</summary>
internal readonly record struct EntryClass(EntryKind Kind, TagForm TagForm, int Source, int Mode, long Uid, long Gid);
