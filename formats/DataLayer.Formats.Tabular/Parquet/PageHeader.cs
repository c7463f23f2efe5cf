using DataLayer.Formats.Tabular.Parquet.Thrift;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>The numbers are parquet.thrift's <c>PageType</c>.</summary>
internal enum PageType
{
    Data = 0,
    Index = 1,
    Dictionary = 2,
    DataV2 = 3,
}

/// <summary>parquet.thrift's <c>PageHeader</c>, flattened.</summary>
internal struct PageHeader
{
    public PageType Type;
    public int UncompressedSize;
    public int CompressedSize;
    public uint? Crc;
    public int ValueCount;
    public PageEncoding Encoding;
    public PageEncoding DefinitionEncoding;
    public PageEncoding RepetitionEncoding;
    public int DefinitionBytes;
    public int RepetitionBytes;

    /// <summary>Rows and nulls of a version 2 page, else -1.</summary>
    public int RowCount;
    public int NullCount;
    public bool IsCompressed;

    /// <summary>Reads the struct; <paramref name="reader"/> has failed if it is not one.</summary>
    public static PageHeader Read(ref CompactReader reader)
    {
        var header = new PageHeader { Type = (PageType)(-1), UncompressedSize = -1, CompressedSize = -1, ValueCount = -1, RowCount = -1, NullCount = -1, IsCompressed = true };
        int id = 0;
        int detail = 0;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (id)
            {
                case 1: header.Type = (PageType)reader.ReadInt32(type); break;
                case 2: header.UncompressedSize = reader.ReadInt32(type); break;
                case 3: header.CompressedSize = reader.ReadInt32(type); break;
                case 4: header.Crc = unchecked((uint)reader.ReadInt32(type)); break;
                case 5 or 7 or 8:
                    reader.ExpectStruct(type);
                    if (detail != 0) reader.Fail("a page header of two page types");
                    detail = id;
                    header.ReadDetail(ref reader, id);
                    break;
                default: reader.Skip(type); break;
            }
        }
        if (reader.Failed) return header;
        if (header.UncompressedSize < 0 || header.CompressedSize < 0)
        {
            reader.Fail($"a page of {header.CompressedSize} bytes, {header.UncompressedSize} uncompressed");
        }
        int expected = header.Type switch { PageType.Data => 5, PageType.Dictionary => 7, PageType.DataV2 => 8, _ => 0 };
        if (expected != 0 && (detail != expected || header.ValueCount < 0))
        {
            reader.Fail($"a {header.Type} page header without its details, or with {header.ValueCount} values");
        }
        return header;
    }

    void ReadDetail(ref CompactReader reader, int kind)
    {
        // DataPageHeaderV2 puts its counts of nulls and rows before the encoding, the others have the encoding second.
        bool v2 = kind == 8;
        int id = 0;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (id)
            {
                case 1: ValueCount = reader.ReadInt32(type); break;
                case 2 when v2: NullCount = reader.ReadInt32(type); break;
                case 3 when v2: RowCount = reader.ReadInt32(type); break;
                case 4 when v2: Encoding = (PageEncoding)reader.ReadInt32(type); break;
                case 5 when v2: DefinitionBytes = reader.ReadInt32(type); break;
                case 6 when v2: RepetitionBytes = reader.ReadInt32(type); break;
                case 7 when v2: IsCompressed = reader.ReadBool(type); break;
                case 2 when !v2: Encoding = (PageEncoding)reader.ReadInt32(type); break;
                case 3 when kind == 5: DefinitionEncoding = (PageEncoding)reader.ReadInt32(type); break;
                case 4 when kind == 5: RepetitionEncoding = (PageEncoding)reader.ReadInt32(type); break;
                default: reader.Skip(type); break;
            }
        }
        if (DefinitionBytes < 0 || RepetitionBytes < 0) reader.Fail("levels of a negative size");
    }
}
