using DataLayer.Formats.Tabular.Parquet.Thrift;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>Decodes a footer. Everything it returns lies inside the file; what the pages say is checked when they are read.</summary>
/// <param name="dataEnd">Where the pages end: the footer's own offset.</param>
internal sealed class FooterReader(ReadOnlyMemory<byte> footer, long dataEnd, FaultSite site)
{
    readonly SchemaReader schema = new(site);
    readonly List<KeyValuePair<string, string?>> keyValues = [];

    public FileMetadata Read()
    {
        var reader = new CompactReader(footer.Span);
        int version = 0, id = 0;
        string? createdBy = null;
        // Row groups need the schema's leaves, and a writer may have put the fields in any order: hence two passes.
        int groupsAt = -1;
        var groupsType = CompactType.Stop;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (id)
            {
                case 1: version = reader.ReadInt32(type); break;
                case 2: schema.ReadElements(ref reader, type); break;
                case 4:
                    groupsAt = reader.Position;
                    groupsType = type;
                    reader.Skip(type);
                    break;
                case 5: ReadKeyValues(ref reader, type); break;
                case 6: createdBy = reader.ReadString(type); break;
                default: reader.Skip(type); break;
            }
        }
        ThrowIfFailed(reader);
        SchemaNode root = schema.BuildTree();
        if (groupsAt < 0) throw site.Corrupt("the footer has no list of row groups");

        List<RowGroup> rowGroups = [];
        long firstRow = 0;
        var groupReader = new CompactReader(footer.Span[groupsAt..]);
        int groups = groupReader.ReadList(groupsType, out CompactType element);
        if (groups > 0) groupReader.ExpectStruct(element);
        for (int i = 0; i < groups && !groupReader.Failed; i++)
        {
            RowGroup group = ReadRowGroup(ref groupReader, i, firstRow, groupsAt);
            ThrowIfFailed(groupReader);
            if (group.RowCount > long.MaxValue - firstRow) throw site.Corrupt("the row groups hold more rows than can be counted");
            firstRow += group.RowCount;
            rowGroups.Add(group);
        }
        ThrowIfFailed(groupReader);
        return new FileMetadata
        {
            Version = version,
            Root = root,
            Leaves = schema.Leaves,
            // Not the footer's own count, which some writers leave at 0.
            RowCount = firstRow,
            RowGroups = rowGroups,
            CreatedBy = createdBy,
            KeyValues = keyValues,
        };
    }

    RowGroup ReadRowGroup(ref CompactReader reader, int index, long firstRow, int spanStart)
    {
        List<ColumnChunk> columns = [];
        long rows = -1;
        int id = 0;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (id)
            {
                case 1:
                    int count = reader.ReadList(type, out CompactType element);
                    if (count > 0) reader.ExpectStruct(element);
                    if (count != schema.Leaves.Count) reader.Fail($"row group {index} has {count} columns, but the schema {schema.Leaves.Count}");
                    for (int i = 0; i < count && !reader.Failed; i++) columns.Add(ReadChunk(ref reader, schema.Leaves[i], spanStart));
                    break;
                case 3: rows = reader.ReadInt64(type); break;
                default: reader.Skip(type); break;
            }
        }
        if (rows < 0) reader.Fail($"row group {index} counts {rows} rows");
        if (columns.Count != schema.Leaves.Count) reader.Fail($"row group {index} has {columns.Count} columns, but the schema {schema.Leaves.Count}");
        return new RowGroup { Index = index, RowCount = Math.Max(rows, 0), FirstRow = firstRow, Columns = columns };
    }

    ColumnChunk ReadChunk(ref CompactReader reader, SchemaNode leaf, int spanStart)
    {
        var chunk = new ColumnChunk { Column = leaf };
        bool hasMetadata = false;
        long columnIndexAt = -1, offsetIndexAt = -1;
        int columnIndexLength = 0, offsetIndexLength = 0, id = 0;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (id)
            {
                case 1: chunk.OtherFile = reader.ReadString(type); break;
                case 3:
                    ReadChunkMetadata(ref reader, type, chunk, spanStart);
                    hasMetadata = true;
                    break;
                case 4: offsetIndexAt = reader.ReadInt64(type); break;
                case 5: offsetIndexLength = reader.ReadInt32(type); break;
                case 6: columnIndexAt = reader.ReadInt64(type); break;
                case 7: columnIndexLength = reader.ReadInt32(type); break;
                case 8 or 9:
                    chunk.Encrypted = true;
                    reader.Skip(type);
                    break;
                default: reader.Skip(type); break;
            }
        }
        if (!hasMetadata && !chunk.Encrypted) reader.Fail($"column {leaf.Path} has no metadata");
        // An index is an aid: one that lies outside the file is as if it were not there.
        chunk.ColumnIndex = Range(columnIndexAt, columnIndexLength);
        chunk.OffsetIndex = Range(offsetIndexAt, offsetIndexLength);
        return chunk;
    }

    FileRange? Range(long offset, int length) =>
        offset >= 4 && length > 0 && offset <= dataEnd - length ? new FileRange(offset, length) : null;

    void ReadChunkMetadata(ref CompactReader reader, CompactType structType, ColumnChunk chunk, int spanStart)
    {
        reader.ExpectStruct(structType);
        int physical = -1, codec = -1, id = 0, bloomLength = 0;
        long values = -1, compressed = -1, dataAt = -1, dictionaryAt = -1, bloomAt = -1;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (id)
            {
                case 1: physical = reader.ReadInt32(type); break;
                case 4: codec = reader.ReadInt32(type); break;
                case 5: values = reader.ReadInt64(type); break;
                case 6: chunk.UncompressedSize = reader.ReadInt64(type); break;
                case 7: compressed = reader.ReadInt64(type); break;
                case 9: dataAt = reader.ReadInt64(type); break;
                case 11: dictionaryAt = reader.ReadInt64(type); break;
                case 12: chunk.Statistics = ReadStatistics(ref reader, type, spanStart); break;
                case 14: bloomAt = reader.ReadInt64(type); break;
                // Dremio once used number 15 for a list of its own.
                case 15 when type == CompactType.I32: bloomLength = reader.ReadInt32(type); break;
                default: reader.Skip(type); break;
            }
        }
        if (reader.Failed) return;
        string path = chunk.Column.Path;
        if (physical != (int)chunk.Column.Physical!) reader.Fail($"column {path} is {chunk.Column.Physical} in the schema but type {physical} in a row group");
        if (codec is < 0 or > (int)Codec.Lz4Raw) reader.Fail($"column {path} has the unknown compression codec {codec}");
        if (values < 0) reader.Fail($"column {path} counts {values} values");
        // Some writers leave 0 for a dictionary that is not there, and some put the dictionary at the data offset.
        long start = dictionaryAt > 0 && dictionaryAt < dataAt ? dictionaryAt : dataAt;
        if (start < 0 || compressed < 0 || start > dataEnd || compressed > dataEnd - start)
        {
            reader.Fail($"column {path} claims bytes {start} to {start}+{compressed}, but pages end at {dataEnd}");
        }
        chunk.Codec = (Codec)codec;
        chunk.ValueCount = values;
        chunk.Offset = start;
        chunk.CompressedSize = compressed;
        if (bloomAt >= 4 && bloomAt < dataEnd) chunk.BloomFilter = new FileRange(bloomAt, Math.Max(0, bloomLength));
    }

    ColumnStatistics ReadStatistics(ref CompactReader reader, CompactType structType, int spanStart)
    {
        reader.ExpectStruct(structType);
        var statistics = new ColumnStatistics();
        ReadOnlyMemory<byte>? oldMin = null, oldMax = null;
        int id = 0;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (id)
            {
                case 1: oldMax = Slice(ref reader, type, spanStart); break;
                case 2: oldMin = Slice(ref reader, type, spanStart); break;
                case 3: statistics.NullCount = reader.ReadInt64(type); break;
                case 4: statistics.DistinctCount = reader.ReadInt64(type); break;
                case 5: statistics.Max = Slice(ref reader, type, spanStart); break;
                case 6: statistics.Min = Slice(ref reader, type, spanStart); break;
                case 7: statistics.MaxIsExact = reader.ReadBool(type); break;
                case 8: statistics.MinIsExact = reader.ReadBool(type); break;
                default: reader.Skip(type); break;
            }
        }
        if (statistics.Min is null && statistics.Max is null && (oldMin ?? oldMax) is not null)
        {
            statistics.Min = oldMin;
            statistics.Max = oldMax;
            statistics.BoundsAreDeprecated = true;
        }
        return statistics;
    }

    ReadOnlyMemory<byte> Slice(ref CompactReader reader, CompactType type, int spanStart)
    {
        int length = reader.ReadBinary(type, out int start).Length;
        return footer.Slice(spanStart + start, length);
    }

    void ReadKeyValues(ref CompactReader reader, CompactType listType)
    {
        int count = reader.ReadList(listType, out CompactType element);
        if (count > 0) reader.ExpectStruct(element);
        for (int i = 0; i < count && !reader.Failed; i++)
        {
            string? key = null, value = null;
            int id = 0;
            while (reader.NextField(ref id, out CompactType type))
            {
                if (id == 1) key = reader.ReadString(type);
                else if (id == 2) value = reader.ReadString(type);
                else reader.Skip(type);
            }
            if (key is null) reader.Fail("a key-value pair has no key");
            else keyValues.Add(new(key, value));
        }
    }

    void ThrowIfFailed(in CompactReader reader)
    {
        if (reader.Failure is { } failure) throw site.Corrupt($"the footer does not decode: {failure}");
    }
}
