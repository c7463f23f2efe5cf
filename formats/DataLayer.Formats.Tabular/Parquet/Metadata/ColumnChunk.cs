namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>One column of one row group, as the footer describes it. Nothing in it is checked against the file but the ranges.</summary>
public sealed class ColumnChunk
{
    public required SchemaNode Column { get; init; }

    public Codec Codec { get; internal set; }

    /// <summary>Values and nulls; for a nested column also empty lists.</summary>
    public long ValueCount { get; internal set; }

    /// <summary>Offset of the first page, the dictionary's if there is one.</summary>
    public long Offset { get; internal set; }

    /// <summary>Bytes in the file, page headers included.</summary>
    public long CompressedSize { get; internal set; }

    public long UncompressedSize { get; internal set; }

    public ColumnStatistics? Statistics { get; internal set; }

    /// <summary>The chunk is encrypted: its pages are not readable, and other properties may be missing.</summary>
    public bool Encrypted { get; internal set; }

    /// <summary>Another file holds the chunk, which no current writer does.</summary>
    public string? OtherFile { get; internal set; }

    public FileRange? ColumnIndex { get; internal set; }

    public FileRange? OffsetIndex { get; internal set; }

    public FileRange? BloomFilter { get; internal set; }
}

/// <summary>Bytes <paramref name="Offset"/> to <paramref name="Offset"/> + <paramref name="Length"/> of a file; length 0 where it is not recorded.</summary>
public readonly record struct FileRange(long Offset, int Length);
