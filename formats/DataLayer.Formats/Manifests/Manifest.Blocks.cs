using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace DataLayer.Formats;

public sealed partial class Manifest
{
    readonly Column _blockPack;
    readonly Column _blockOffset;
    readonly Column _blockUnit;
    readonly SectionRow _packs;
    readonly Column _packIndex;
    readonly SectionRow _large;

    /// <summary>
    /// Where a file's bytes lie. An empty file needs no block: its location has <c>Length</c> 0, no pack and no block file.
    /// Sums at most 15 sizes for a packed file; hashes the recipe of a large one (about 1 µs). Allocates nothing.
    /// </summary>
    /// <exception cref="ArgumentException">Not a file.</exception>
    public FileLocation Locate(EntryIndex file)
    {
        EntryClass row = FileClassOf(file.Value);
        long size = SizeOf(file.Value, row.Kind);
        if (size == 0) return new FileLocation(file, default, -1, 0, 0, 0);
        if (!PackBoundaries.IsPackable(size, Layout))
            return new FileLocation(file, new BlockFileId(FileDigest(file.Value, row, size)), -1, 0, 0, size);

        int block = file.Value >> ManifestFormat.BlockShift;
        PackCursor cursor = CursorAt(block);
        for (int entry = block << ManifestFormat.BlockShift; ; entry++)
        {
            long before = cursor.Offset;
            if (!Advance(ref cursor, entry)) continue;
            if (entry == file.Value)
                return new FileLocation(file, cursor.Row.Id, cursor.Pack, cursor.Unit - 1, cursor.Offset - size, size);
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">Not one of the <see cref="PackCount"/> packs.</exception>
    public PackInfo GetPack(int pack)
    {
        PackRow row = ReadPack(pack);
        int end = pack + 1 < PackCount ? ReadPack(pack + 1).First : EntryCount;
        if (row.First >= end) throw _pages.Damaged($"pack {pack} begins behind the next one");
        return new PackInfo(row.Id, new EntryIndex(row.First), new EntryIndex(end), row.Length, row.FileCount);
    }

    /// <summary>
    /// The files of a pack in unit order: element i has <c>Unit == i</c>. Recomputes the pack's id from their recipes, so
    /// that no manifest can bring other files under the id of a pack (about 1.4 µs per file).
    /// </summary>
    public FileLocation[] GetPackFiles(int pack)
    {
        PackInfo info = GetPack(pack);
        FileLocation[] files = new FileLocation[info.FileCount];
        using IncrementalHash id = Recipe.StartPack();
        long offset = 0;
        int unit = 0;
        for (int entry = info.First.Value; entry < info.End.Value && unit < files.Length; entry++)
        {
            EntryClass row = ClassOf(entry);
            if (row.Kind != EntryKind.File) continue;
            long size = SizeOf(entry, row.Kind);
            if (!PackBoundaries.IsPackable(size, Layout)) continue;
            Recipe.AppendToPack(id, FileDigest(entry, row, size));
            files[unit] = new FileLocation(new EntryIndex(entry), info.Id, pack, unit, offset, size);
            unit++;
            offset += size;
        }
        if (unit != files.Length || offset != info.Length || Recipe.FinishPack(id) != info.Id)
            throw _pages.Damaged($"pack {pack} does not hold the files of its recipe");
        return files;
    }

    /// <summary>True when the manifest contains this block file (a pack, or a large file).</summary>
    public bool ContainsBlockFile(BlockFileId id) => TryFindPack(id, out _) || TryFindLargeFile(id, out _);

    /// <summary>The ordinal of the pack with this id.</summary>
    public bool TryFindPack(BlockFileId id, out int pack)
    {
        pack = -1;
        int low = 0, high = PackCount - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            ulong found = _packIndex[middle];
            if (found >= (ulong)PackCount) throw _pages.Damaged("its pack index points outside the packs");
            int order = Compare(ReadPack((int)found).Id.Value, id.Value);
            if (order == 0)
            {
                pack = (int)found;
                return true;
            }
            if (order < 0) low = middle + 1;
            else high = middle - 1;
        }
        return false;
    }

    /// <summary>Files above <see cref="LayoutParameters.PackThreshold"/>.</summary>
    public int LargeFileCount => (int)(_large.Count / ManifestFormat.LargeRowSize);

    /// <summary>Bytes and slices of all large files together. Reads the size of each.</summary>
    public (long Bytes, long Slices) SumLargeFiles()
    {
        long bytes = 0, slices = 0;
        for (int i = 0; i < LargeFileCount; i++)
        {
            int entry = ReadLarge(i).Entry;
            long size = SizeOf(entry, ClassOf(entry).Kind);
            bytes += size;
            slices += (size + Layout.SliceSize - 1) / Layout.SliceSize;
        }
        return (bytes, slices);
    }

    /// <summary>The large file whose block file has this id.</summary>
    public bool TryFindLargeFile(BlockFileId id, out EntryIndex file)
    {
        file = default;
        uint prefix = LargePrefix(id.Value);
        int count = LargeFileCount;
        int low = 0, high = count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (ReadLarge(middle).Prefix < prefix) low = middle + 1;
            else high = middle;
        }
        for (; low < count; low++)
        {
            (uint found, int entry) = ReadLarge(low);
            if (found != prefix) return false;
            EntryClass row = ClassOf(entry);
            if (row.Kind != EntryKind.File || FileDigest(entry, row, SizeOf(entry, row.Kind)) != id.Value) continue;
            file = new EntryIndex(entry);
            return true;
        }
        return false;
    }

    internal static uint LargePrefix(in Digest id) => (uint)(id.A >> 32);

    static int Compare(in Digest a, in Digest b)
    {
        int order = a.A.CompareTo(b.A);
        if (order == 0) order = a.B.CompareTo(b.B);
        if (order == 0) order = a.C.CompareTo(b.C);
        return order != 0 ? order : a.D.CompareTo(b.D);
    }

    (uint Prefix, int Entry) ReadLarge(int index)
    {
        ReadOnlySpan<byte> row = _pages.Span(_large.Offset + (long)index * ManifestFormat.LargeRowSize, ManifestFormat.LargeRowSize);
        uint entry = BinaryPrimitives.ReadUInt32LittleEndian(row[4..]);
        if (entry >= EntryCount) throw _pages.Damaged("its index of large files points outside the entries");
        return (BinaryPrimitives.ReadUInt32LittleEndian(row), (int)entry);
    }

    /// <summary>The file's recipe. Allocates nothing.</summary>
    [SkipLocalsInit]
    internal Digest FileDigest(int entry, in EntryClass row, long size)
    {
        Span<byte> path = stackalloc byte[ManifestFormat.MaxPath];
        Span<byte> tag = stackalloc byte[Recipe.MaxVersionTag];
        return Recipe.File(_sourceDigests[row.Source], KeyOf(CopyPath(entry, path), row.Source), CopyTag(entry, row.TagForm, tag), size);
    }

    readonly record struct PackRow(BlockFileId Id, int First, int FileCount, long Length);

    PackRow ReadPack(int pack)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)pack, (uint)PackCount);
        ReadOnlySpan<byte> row = _pages.Span(_packs.Offset + (long)pack * ManifestFormat.PackRowSize, ManifestFormat.PackRowSize);
        uint first = BinaryPrimitives.ReadUInt32LittleEndian(row[32..]), files = BinaryPrimitives.ReadUInt32LittleEndian(row[36..]);
        long length = BinaryPrimitives.ReadInt64LittleEndian(row[40..]);
        if (first >= EntryCount || files == 0 || files > (uint)EntryCount - first || length < files || length > Layout.PackLimit
            || files > Layout.PackLimit / PackBoundaries.FileOverhead)
            throw _pages.Damaged($"pack {pack} is impossible");
        return new PackRow(new BlockFileId(Digest.Read(row)), (int)first, (int)files, length);
    }

    /// <summary>Walks packable files in entry order, knowing the pack, and what of it lies before.</summary>
    struct PackCursor
    {
        internal int Pack;
        internal PackRow Row;
        internal int NextFirst;
        internal long Offset;
        internal int Unit;
    }

    PackCursor CursorAt(int block)
    {
        ulong begun = _blockPack[block], offset = _blockOffset[block], unit = _blockUnit[block];
        if (begun > (ulong)PackCount || offset > (ulong)Layout.PackLimit || unit > (ulong)EntryCount)
            throw _pages.Damaged($"the packs of block {block} are impossible");
        PackCursor cursor = new() { Pack = (int)begun - 1, Offset = (long)offset, Unit = (int)unit };
        if (cursor.Pack >= 0) cursor.Row = ReadPack(cursor.Pack);
        cursor.NextFirst = cursor.Pack + 1 < PackCount ? ReadPack(cursor.Pack + 1).First : int.MaxValue;
        return cursor;
    }

    /// <summary>Takes one entry; false when it is not in a pack.</summary>
    bool Advance(ref PackCursor cursor, int entry)
    {
        EntryClass row = ClassOf(entry);
        if (row.Kind != EntryKind.File) return false;
        long size = SizeOf(entry, row.Kind);
        if (!PackBoundaries.IsPackable(size, Layout)) return false;
        if (entry == cursor.NextFirst)
        {
            cursor.Pack++;
            cursor.Row = ReadPack(cursor.Pack);
            cursor.NextFirst = cursor.Pack + 1 < PackCount ? ReadPack(cursor.Pack + 1).First : int.MaxValue;
            cursor.Offset = 0;
            cursor.Unit = 0;
        }
        cursor.Offset += size;
        cursor.Unit++;
        if (cursor.Pack < 0 || cursor.Offset > cursor.Row.Length || cursor.Unit > cursor.Row.FileCount)
            throw _pages.Damaged($"entry {entry} lies outside its pack");
        return true;
    }
}
