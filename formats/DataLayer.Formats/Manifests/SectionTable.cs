using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>One row of a manifest's section table.</summary>
internal readonly record struct SectionRow(Section Id, int Width, long Offset, long Length, ulong Origin, ulong Scale)
{
    internal void Write(Span<byte> row)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(row, (uint)Id);
        BinaryPrimitives.WriteInt32LittleEndian(row[4..], Width);
        BinaryPrimitives.WriteInt64LittleEndian(row[8..], Offset);
        BinaryPrimitives.WriteInt64LittleEndian(row[16..], Length);
        BinaryPrimitives.WriteUInt64LittleEndian(row[24..], Origin);
        BinaryPrimitives.WriteUInt64LittleEndian(row[32..], Scale);
        row[40..ManifestFormat.SectionRowSize].Clear();
    }

    internal static SectionRow Read(ReadOnlySpan<byte> row) => new(
        (Section)BinaryPrimitives.ReadUInt32LittleEndian(row),
        BinaryPrimitives.ReadInt32LittleEndian(row[4..]),
        BinaryPrimitives.ReadInt64LittleEndian(row[8..]),
        BinaryPrimitives.ReadInt64LittleEndian(row[16..]),
        BinaryPrimitives.ReadUInt64LittleEndian(row[24..]),
        BinaryPrimitives.ReadUInt64LittleEndian(row[32..]));
}

/// <summary>
/// Header and section table of a format 1 manifest, checked: afterwards every section lies within the file, and every
/// column has exactly the rows that the counts promise.
/// </summary>
internal sealed class SectionTable
{
    readonly Dictionary<Section, SectionRow> _rows = [];
    readonly MappedPages _pages;

    internal SnapshotId Id { get; }

    internal SectionTable(MappedPages pages)
    {
        _pages = pages;
        ReadOnlySpan<byte> header = pages.Unverified(0, ManifestFormat.HeaderSize);
        if (Crc32C.Compute(header[..ManifestFormat.HeaderCrcAt]) != BinaryPrimitives.ReadUInt32LittleEndian(header[ManifestFormat.HeaderCrcAt..]))
            throw pages.Damaged("the checksum of its header does not match");

        long length = BinaryPrimitives.ReadInt64LittleEndian(header[ManifestFormat.FileLengthAt..]);
        if (length != pages.Length) throw pages.Damaged($"it should be {length} bytes long and has {pages.Length}");
        long checksums = BinaryPrimitives.ReadInt64LittleEndian(header[ManifestFormat.ChecksumsAt..]);
        if (checksums < ManifestFormat.HeaderSize + ManifestFormat.TrailingZeros || checksums > length)
            throw pages.Damaged("its checksum table lies outside the file");
        long pageCount = (checksums + MappedPages.PageSize - 1) >> MappedPages.PageShift;
        if (length - checksums != pageCount * 4 || pageCount > int.MaxValue / 4)
            throw pages.Damaged("its checksum table has the wrong length");
        if (Crc32C.Compute(pages.Unverified(checksums, (int)pageCount * 4)) != BinaryPrimitives.ReadUInt32LittleEndian(header[ManifestFormat.ChecksumsCrcAt..]))
            throw pages.Damaged("the checksum of its checksum table does not match");
        Id = new SnapshotId(Digest.Read(header[ManifestFormat.SnapshotIdAt..]));
        pages.EnableVerification(checksums);

        int count = BinaryPrimitives.ReadInt32LittleEndian(header[ManifestFormat.SectionCountAt..]);
        long sectionsEnd = checksums - ManifestFormat.TrailingZeros;
        if (count < 0 || count > (sectionsEnd - ManifestFormat.HeaderSize) / ManifestFormat.SectionRowSize)
            throw pages.Damaged("its section table lies outside the file");
        for (int i = 0; i < count; i++)
        {
            SectionRow row = SectionRow.Read(pages.Span(ManifestFormat.HeaderSize + (long)i * ManifestFormat.SectionRowSize, ManifestFormat.SectionRowSize));
            if (row.Offset < ManifestFormat.HeaderSize || row.Length < 0 || row.Offset > sectionsEnd - row.Length || row.Width is < 0 or > 8)
                throw pages.Damaged($"section {row.Id} lies outside the file");
            if (!_rows.TryAdd(row.Id, row)) throw pages.Damaged($"section {row.Id} occurs twice");
        }
    }

    internal SectionRow this[Section id] =>
        _rows.TryGetValue(id, out SectionRow row) ? row : throw _pages.Damaged($"section {id} is missing");

    /// <summary>A section of rows of a fixed size.</summary>
    internal SectionRow Rows(Section id, int rowSize, int count)
    {
        SectionRow row = this[id];
        if (row.Length != (long)count * rowSize) throw _pages.Damaged($"section {id} has the wrong length");
        return row;
    }

    internal Column Column(Section id, int count)
    {
        SectionRow row = this[id];
        if (row.Length != (long)count * row.Width) throw _pages.Damaged($"section {id} has the wrong length");
        return new Column(_pages, row.Offset, row.Width, count, row.Origin, row.Scale);
    }

    /// <summary>A column whose number of rows follows from its length.</summary>
    internal Column ColumnOfAnyLength(Section id)
    {
        SectionRow row = this[id];
        if (row.Width == 0 || row.Length / row.Width > int.MaxValue || row.Length % row.Width != 0)
            throw _pages.Damaged($"section {id} has the wrong length");
        return new Column(_pages, row.Offset, row.Width, (int)(row.Length / row.Width), row.Origin, row.Scale);
    }
}
