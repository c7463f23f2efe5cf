namespace DataLayer.Formats.Tabular.Parquet;

public sealed record ParquetReadOptions
{
    /// <summary>
    /// Bytes that the footer, or one open row group, may use for pages, dictionaries and values. A page's size is the
    /// file's own word, and one page per column must be in memory at a time: 1 GiB admits a thousand columns of 1 MiB
    /// pages, while a usual file needs a few dozen MiB.
    /// </summary>
    public long MemoryLimit { get; init; } = 1L << 30;

    /// <summary>
    /// Bytes fetched ahead for one row group, shared by its columns. Large enough that a column of ten is fetched 3 MiB
    /// at a time, which object stores serve at full speed; small beside the 256 MiB that a reader should stay below.
    /// </summary>
    public int ReadAhead { get; init; } = 32 << 20;

    /// <summary>Rows per batch at most: values of ten columns then stay in the second-level cache between decoding and formatting.</summary>
    public int BatchRows { get; init; } = 2048;

    /// <summary>Verify the CRC-32 of pages that carry one.</summary>
    public bool VerifyChecksums { get; init; } = true;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MemoryLimit, 1 << 16, nameof(MemoryLimit));
        ArgumentOutOfRangeException.ThrowIfLessThan(ReadAhead, 1 << 12, nameof(ReadAhead));
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchRows, 1, nameof(BatchRows));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BatchRows, 1 << 20, nameof(BatchRows));
    }
}
