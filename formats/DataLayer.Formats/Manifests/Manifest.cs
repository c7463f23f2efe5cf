using System.Buffers.Binary;
using System.Text;

namespace DataLayer.Formats;

/// <summary>
/// One snapshot, memory-mapped: an immutable, checksummed file that holds the tree and everything needed to read it.
/// Safe for concurrent use; dispose it only when no call and no <see cref="NameReader"/> is running any more.
/// No managed object per file; lookups allocate nothing.
/// </summary>
/// <remarks>
/// Entries are numbered breadth-first, by depth and then by the components of their paths, so the children of a directory
/// are consecutive and sorted by name, and the i-th directory owns the i-th group of children. Every number that is read
/// from the file is checked before it is used as an index: a hostile or damaged file ends in a
/// <see cref="ManifestException"/>, from any member.
/// </remarks>
public sealed partial class Manifest : IDisposable
{
    readonly MappedPages _pages;
    readonly ManifestMeta _meta;
    readonly Digest[] _sourceDigests;
    // Bytes of each source's sub-path with its '/'.
    readonly int[] _subPathLengths;
    readonly SectionRow _classes;
    readonly SectionRow _report;
    readonly SectionRow _heap;
    readonly SectionRow _sizeOverflow;
    readonly Column _size;
    readonly Column _mtime;
    readonly Column _class;
    readonly Column _node;
    readonly Column _tagA;
    readonly Column _tagB;

    Manifest(MappedPages pages)
    {
        _pages = pages;
        SectionTable sections = new(pages);
        Id = sections.Id;
        SectionRow meta = sections.Bytes(Section.Meta);
        try
        {
            // Far above what thousands of sources take; bounds what a hostile file can make us read at open.
            if (meta.Count > 64 << 20) throw new FormatException("its description is too long");
            _meta = ManifestMeta.Decode(pages.Span(meta.Offset, (int)meta.Count));
        }
        catch (FormatException fault)
        {
            throw pages.Damaged(fault.Message);
        }
        _sourceDigests = [.. _meta.Sources.Select(source => Recipe.Source(source.Identity))];
        _subPathLengths = [.. _meta.Sources.Select(source => source.SubPath.Length == 0 ? 0 : Encoding.UTF8.GetByteCount(source.SubPath) + 1)];

        int entries = _meta.EntryCount;
        int blocks = ManifestFormat.BlockCount(entries);
        _classes = sections.Rows(Section.Classes, ManifestFormat.ClassRowSize, _meta.ClassCount);
        _report = sections.Bytes(Section.Report);
        _heap = sections.Bytes(Section.Heap);
        _sizeOverflow = sections.Bytes(Section.SizeOverflow);
        _size = sections.Column(Section.Size, entries);
        _mtime = sections.Column(Section.Mtime, entries);
        _class = sections.Column(Section.Class, entries);
        _node = sections.Column(Section.Node, entries);
        _tagA = sections.Column(Section.TagA, entries);
        _tagB = sections.Column(Section.TagB, entries);

        _names = sections.Bytes(Section.Names);
        // Every name takes a byte at least: so no count in a small hostile file makes anyone walk or allocate billions.
        if (_names.Count < entries) throw pages.Damaged("it has fewer names than entries");
        _nameOffset = sections.Column(Section.NameOffset, blocks + 1);
        _nameFence = sections.Column(Section.NameFence, blocks + 1);
        _directoryFirst = sections.Column(Section.DirectoryFirst, _meta.DirectoryCount + 1);
        _directoryEntry = sections.Column(Section.DirectoryEntry, _meta.DirectoryCount + 1);
        _directoryShared = sections.Column(Section.DirectoryShared, _meta.DirectoryCount + 1);
        _nodeTable = sections.ColumnOfAnyLength(Section.NodeTable);

        _blockPack = sections.Column(Section.BlockPack, blocks);
        _blockOffset = sections.Column(Section.BlockOffset, blocks);
        _blockUnit = sections.Column(Section.BlockUnit, blocks);
        _packs = sections.Rows(Section.Packs, ManifestFormat.PackRowSize, _meta.PackCount);
        _packIndex = sections.Column(Section.PackIndex, _meta.PackCount);
        _large = sections.Bytes(Section.LargeIndex);
        if (_large.Count % ManifestFormat.LargeRowSize != 0 || _large.Count / ManifestFormat.LargeRowSize > entries
            || _sizeOverflow.Count % ManifestFormat.SizeOverflowRowSize != 0 || _sizeOverflow.Count / ManifestFormat.SizeOverflowRowSize > entries)
            throw pages.Damaged("a table has the wrong length");
    }

    /// <summary>Maps and checks a manifest file. Its pages are checked when they are first used.</summary>
    /// <exception cref="ManifestException">Not a manifest, damaged, or of a newer format; the message says which, and the remedy.</exception>
    public static Manifest Open(string path)
    {
        MappedPages pages = MappedPages.Map(path, ManifestFormat.HeaderSize);
        try
        {
            ReadOnlySpan<byte> header = pages.Unverified(0, ManifestFormat.HeaderSize);
            if (!header.StartsWith(ManifestFormat.Magic))
                throw new ManifestException($"'{path}' is not a DataLayer manifest.");
            // A reader of version N reads N and N - 1: add the next one here, beside the one it follows.
            uint version = BinaryPrimitives.ReadUInt32LittleEndian(header[ManifestFormat.VersionAt..]);
            return version switch
            {
                ManifestFormat.Version => new Manifest(pages),
                > ManifestFormat.Version => throw new ManifestException(
                    $"Manifest '{path}' has format {version}; this program reads format {ManifestFormat.Version}. Upgrade the program, or build the snapshot with this version."),
                _ => throw pages.Damaged($"it claims format {version}, which never existed"),
            };
        }
        catch
        {
            pages.Dispose();
            throw;
        }
    }

    public SnapshotId Id { get; }
    public LayoutParameters Layout => _meta.Layout;
    public IReadOnlyList<ManifestSource> Sources => _meta.Sources;
    public int EntryCount => _meta.EntryCount;
    public long FileCount => _meta.FileCount;
    public long DirectoryCount => _meta.DirectoryCount;
    public long TotalBytes => _meta.TotalBytes;
    public int PackCount => _meta.PackCount;

    /// <summary>Keys that have no entry of their own.</summary>
    public long UnrepresentableCount => _meta.UnrepresentableCount;

    internal long ReportedCount => _meta.ReportedCount;

    public ManifestEntry Get(EntryIndex entry)
    {
        EntryClass row = ClassOf(entry.Value);
        return new ManifestEntry(
            row.Kind, new NodeId(_node[entry.Value]), SizeOf(entry.Value, row.Kind), MtimeOf(entry.Value),
            row.Mode, row.Uid, row.Gid, row.Source);
    }

    /// <summary>What the entry's source needs to read it (for files).</summary>
    /// <exception cref="ArgumentException">Not a file.</exception>
    public SourceFile GetSourceFile(EntryIndex entry)
    {
        EntryClass row = FileClassOf(entry.Value);
        Span<byte> path = stackalloc byte[ManifestFormat.MaxPath];
        ReadOnlySpan<byte> key = KeyOf(CopyPath(entry.Value, path), row.Source);
        Span<byte> tag = stackalloc byte[Recipe.MaxVersionTag];
        return new SourceFile(key.ToArray(), SizeOf(entry.Value, row.Kind), CopyTag(entry.Value, row.TagForm, tag).ToArray());
    }

    /// <exception cref="ArgumentException">Not a symlink.</exception>
    public byte[] GetLinkTarget(EntryIndex entry)
    {
        EntryClass row = ClassOf(entry.Value);
        if (row.Kind != EntryKind.Symlink) throw new ArgumentException($"Entry {entry.Value} is not a symlink.", nameof(entry));
        return Heap(_tagA[entry.Value], _tagB[entry.Value], ManifestFormat.MaxPath).ToArray();
    }

    /// <summary>The keys left out, by source, rule and key. Reads them from the file one by one.</summary>
    public IEnumerable<UnrepresentableKey> ReadUnrepresentable()
    {
        long position = 0;
        while (position < _report.Count)
        {
            UnrepresentableKey key = ReadReportRow(ref position);
            yield return key;
        }
    }

    UnrepresentableKey ReadReportRow(ref long position)
    {
        const int fixedSize = 4;
        uint length = _report.Count - position < 4 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(_pages.Span(_report.Offset + position, 4));
        if (length < fixedSize || length > _report.Count - position - 4 || length > int.MaxValue) throw _pages.Damaged("its list of keys left out is cut short");
        ReadOnlySpan<byte> row = _pages.Span(_report.Offset + position + 4, (int)length);
        int source = BinaryPrimitives.ReadUInt16BigEndian(row);
        int remark = row[3];
        if (source >= Sources.Count || remark > row.Length - fixedSize) throw _pages.Damaged("its list of keys left out contradicts itself");
        position += 4 + length;
        return new UnrepresentableKey(
            source, row[(fixedSize + remark)..].ToArray(), KeyRuleText.Describe((KeyRule)row[2], Encoding.UTF8.GetString(row.Slice(fixedSize, remark))));
    }

    internal EntryClass ClassOf(int entry)
    {
        ulong index = _class[entry];
        if (index >= (ulong)_meta.ClassCount) throw _pages.Damaged($"entry {entry} has an unknown class");
        ReadOnlySpan<byte> row = _pages.Span(_classes.Offset + (long)index * ManifestFormat.ClassRowSize, ManifestFormat.ClassRowSize);
        EntryClass value = new(
            (EntryKind)row[0], (TagForm)row[1], BinaryPrimitives.ReadUInt16LittleEndian(row[2..]),
            BinaryPrimitives.ReadInt32LittleEndian(row[4..]), BinaryPrimitives.ReadInt64LittleEndian(row[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(row[16..]));
        if (value.Kind > EntryKind.Symlink || value.TagForm > TagForm.Heap || value.Source >= _sourceDigests.Length)
            throw _pages.Damaged($"class {index} is impossible");
        return value;
    }

    EntryClass FileClassOf(int entry)
    {
        EntryClass row = ClassOf(entry);
        if (row.Kind != EntryKind.File) throw new ArgumentException($"Entry {entry} is not a file.", nameof(entry));
        return row;
    }

    internal long SizeOf(int entry, EntryKind kind)
    {
        if (kind == EntryKind.Directory) return 0;
        ulong size = _size[entry];
        if (size < ManifestFormat.SizeOverflow) return (long)size;

        int low = 0, high = (int)(_sizeOverflow.Count / ManifestFormat.SizeOverflowRowSize) - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            ReadOnlySpan<byte> row = _pages.Span(_sizeOverflow.Offset + (long)middle * ManifestFormat.SizeOverflowRowSize, ManifestFormat.SizeOverflowRowSize);
            uint at = BinaryPrimitives.ReadUInt32LittleEndian(row);
            if (at == entry)
            {
                long value = BinaryPrimitives.ReadInt64LittleEndian(row[4..]);
                return value >= 0 ? value : throw _pages.Damaged($"entry {entry} has a negative size");
            }
            if (at < entry) low = middle + 1;
            else high = middle - 1;
        }
        throw _pages.Damaged($"the size of entry {entry} is missing");
    }

    internal long MtimeOf(int entry) => (long)(_mtime[entry] ^ SignBit);

    internal const ulong SignBit = 1UL << 63;

    /// <summary>The version tag as the source gave it.</summary>
    /// <param name="buffer"><see cref="Recipe.MaxVersionTag"/> bytes.</param>
    ReadOnlySpan<byte> CopyTag(int entry, TagForm form, Span<byte> buffer)
    {
        if (form == TagForm.None) return default;
        ulong a = _tagA[entry], b = _tagB[entry];
        if (form == TagForm.Heap) return Heap(a, b, Recipe.MaxVersionTag);
        return VersionTag.Decode(form, a, b, buffer);
    }

    ReadOnlySpan<byte> Heap(ulong offset, ulong length, int limit)
    {
        if (length > (ulong)limit || offset > (ulong)_heap.Count || length > (ulong)_heap.Count - offset)
            throw _pages.Damaged("a version tag or link target lies outside its section");
        return _pages.Span(_heap.Offset + (long)offset, (int)length);
    }

    /// <summary>The file's key in its source: the path without the sub-path where the source is joined.</summary>
    ReadOnlySpan<byte> KeyOf(ReadOnlySpan<byte> path, int source)
    {
        int prefix = _subPathLengths[source];
        if (prefix >= path.Length) throw _pages.Damaged("a file lies outside its source's sub-path");
        return path[prefix..];
    }

    /// <summary>
    /// Checks everything, not only what is read: every page, the id, the tree, and every node and block id against the
    /// recipe it follows from. For manifests that come from elsewhere; takes about 5 µs per entry.
    /// </summary>
    /// <exception cref="ManifestException">What is wrong.</exception>
    public void Verify(CancellationToken cancellation) => new ManifestVerifier(this, _pages).Run(cancellation);

    /// <summary>
    /// Checks that the id is the digest of the content: enough for a manifest that came from somebody trusted over a way
    /// that is not. Reads the whole file once.
    /// </summary>
    /// <exception cref="ManifestException">It is not.</exception>
    public void VerifyId(CancellationToken cancellation) => new ManifestVerifier(this, _pages).VerifyDigest(cancellation);

    public void Dispose() => _pages.Dispose();
}
