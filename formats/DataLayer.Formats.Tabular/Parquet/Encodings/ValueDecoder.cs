namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>
/// Decodes the values of one page after another of a column, in steps. Bytes <c>start</c> to <c>end</c> of the page's
/// buffer are the values; the buffer has <see cref="MemoryBudget.Slack"/> bytes after them.
/// </summary>
internal abstract class ValueDecoder(FaultSite site)
{
    protected FaultSite Site => site;

    protected byte[] Buffer { get; private set; } = [];

    protected int Position { get; set; }

    protected int End { get; private set; }

    /// <summary>Where the vector keeps <see cref="Buffer"/>; moves at the start of a batch.</summary>
    public int Slot { get; set; }

    public void StartPage(byte[] buffer, int slot, int start, int end)
    {
        Buffer = buffer;
        Slot = slot;
        Position = start;
        End = end;
        StartPage();
    }

    /// <summary>Appends <paramref name="count"/> values to the vector, or throws when the page has no more.</summary>
    public abstract void Decode(int count, ColumnVector vector);

    protected virtual void StartPage()
    {
    }

    protected TabularException TooShort() => site.Corrupt("the page ends before its last value");

    public static ValueDecoder Create(PageEncoding encoding, SchemaNode leaf, MemoryBudget budget, FaultSite site)
    {
        PhysicalType type = leaf.Physical!.Value;
        bool integer = type is PhysicalType.Int32 or PhysicalType.Int64;
        bool bytes = type is PhysicalType.ByteArray or PhysicalType.FixedLenByteArray;
        return encoding switch
        {
            PageEncoding.Plain when type == PhysicalType.Boolean => new PlainBooleanDecoder(site),
            PageEncoding.Plain when type == PhysicalType.ByteArray => new PlainByteArrayDecoder(site),
            PageEncoding.Plain when type == PhysicalType.FixedLenByteArray => new PlainFixedBytesDecoder(leaf.TypeLength, site),
            PageEncoding.Plain => new PlainFixedDecoder(site),
            PageEncoding.Rle when type == PhysicalType.Boolean => new RleBooleanDecoder(site),
            PageEncoding.DeltaBinaryPacked when integer => new DeltaIntegerDecoder(site),
            PageEncoding.DeltaLengthByteArray when type == PhysicalType.ByteArray => new DeltaLengthDecoder(site),
            PageEncoding.DeltaByteArray when bytes => new DeltaByteArrayDecoder(leaf.TypeLength, budget, site),
            PageEncoding.ByteStreamSplit when type is not (PhysicalType.Boolean or PhysicalType.ByteArray or PhysicalType.Int96) =>
                new ByteStreamSplitDecoder(leaf.TypeLength, budget, site),
            _ => throw site.Unsupported($"encoding {encoding} of {type} values is not supported"),
        };
    }
}
