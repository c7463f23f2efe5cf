using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>One row of a manifest's section table.</summary>
/// <param name="Width">Bytes of a column's values; 0 for constant columns and for plain bytes.</param>
/// <param name="Stride">Bytes from one value to the next.</param>
/// <param name="Offset">Of the first value or byte in the file.</param>
/// <param name="Count">Values, or bytes.</param>
internal readonly record struct SectionRow(Section Id, int Width, int Stride, long Offset, long Count, ulong Origin, ulong Scale)
{
    internal void Write(Span<byte> row)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(row, (uint)Id);
        BinaryPrimitives.WriteUInt16LittleEndian(row[4..], (ushort)Width);
        BinaryPrimitives.WriteUInt16LittleEndian(row[6..], (ushort)Stride);
        BinaryPrimitives.WriteInt64LittleEndian(row[8..], Offset);
        BinaryPrimitives.WriteInt64LittleEndian(row[16..], Count);
        BinaryPrimitives.WriteUInt64LittleEndian(row[24..], Origin);
        BinaryPrimitives.WriteUInt64LittleEndian(row[32..], Scale);
        row[40..ManifestFormat.SectionRowSize].Clear();
    }

    internal static SectionRow Read(ReadOnlySpan<byte> row) => new(
        (Section)BinaryPrimitives.ReadUInt32LittleEndian(row),
        BinaryPrimitives.ReadUInt16LittleEndian(row[4..]),
        BinaryPrimitives.ReadUInt16LittleEndian(row[6..]),
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
    readonly long _end;

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
        _end = checksums - ManifestFormat.TrailingZeros;
        if (count < 0 || count > (_end - ManifestFormat.HeaderSize) / ManifestFormat.SectionRowSize)
            throw pages.Damaged("its section table lies outside the file");
        for (int i = 0; i < count; i++)
        {
            SectionRow row = SectionRow.Read(pages.Span(ManifestFormat.HeaderSize + (long)i * ManifestFormat.SectionRowSize, ManifestFormat.SectionRowSize));
            if (!_rows.TryAdd(row.Id, row)) throw pages.Damaged($"section {row.Id} occurs twice");
        }
    }

    SectionRow this[Section id] =>
        _rows.TryGetValue(id, out SectionRow row) ? row : throw _pages.Damaged($"section {id} is missing");

    /// <summary>A section of plain bytes: its <see cref="SectionRow.Count"/> bytes lie within the file.</summary>
    internal SectionRow Bytes(Section id)
    {
        SectionRow row = this[id];
        CheckExtent(row, 1, 1);
        return row;
    }

    /// <summary>A section of rows of a fixed size.</summary>
    internal SectionRow Rows(Section id, int rowSize, int count)
    {
        SectionRow row = Bytes(id);
        if (row.Count != (long)count * rowSize) throw _pages.Damaged($"section {id} has the wrong length");
        return row;
    }

    internal Column Column(Section id, int count)
    {
        if (this[id].Count != count) throw _pages.Damaged($"section {id} has the wrong length");
        return ColumnOfAnyLength(id);
    }

    internal Column ColumnOfAnyLength(Section id)
    {
        SectionRow row = this[id];
        if (row.Width > 8 || row.Count > int.MaxValue) throw _pages.Damaged($"section {id} is impossible");
        if (row.Width > 0) CheckExtent(row, row.Width, row.Stride);
        return new Column(_pages, row.Offset, row.Width, row.Stride, (int)row.Count, row.Origin, row.Scale);
    }

    void CheckExtent(SectionRow row, int width, int stride)
    {
        // In this order nothing overflows: the count is at most the file's length, and the stride 16 bits.
        bool fits = row.Offset >= ManifestFormat.HeaderSize && row.Offset <= _end && row.Count >= 0 && row.Count <= _end
            && (row.Count == 0 || (row.Count - 1) * stride + width <= _end - row.Offset);
        if (!fits) throw _pages.Damaged($"section {row.Id} lies outside the file");
    }
}
