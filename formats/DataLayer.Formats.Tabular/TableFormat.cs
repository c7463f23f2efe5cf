namespace DataLayer.Formats.Tabular;

/// <summary>What a file of a table export is, by its first bytes: exports often have no extension.</summary>
public enum TableFormat
{
    /// <summary>No bytes.</summary>
    Empty,
    Parquet,
    Orc,
    Avro,
    RcFile,
    SequenceFile,

    /// <summary>Compressed; what is inside shows only when it is decompressed, and is delimited text in table exports.</summary>
    Gzip,

    /// <summary>Anything else.</summary>
    DelimitedText,
}

public static class TableFormatDetection
{
    /// <summary>Bytes from a file's start that <see cref="Detect"/> wants; fewer are fine for a shorter file.</summary>
    public const int HeadSize = 4;

    /// <summary>The format of a file that starts with <paramref name="head"/>.</summary>
    public static TableFormat Detect(ReadOnlySpan<byte> head) => head switch
    {
        [] => TableFormat.Empty,
        [(byte)'P', (byte)'A', (byte)'R', (byte)'1' or (byte)'E', ..] => TableFormat.Parquet,
        [(byte)'O', (byte)'R', (byte)'C', ..] => TableFormat.Orc,
        [(byte)'O', (byte)'b', (byte)'j', 1, ..] => TableFormat.Avro,
        // Hive's RCFile started as SequenceFile version 6 with its own classes; such files are told apart by nobody's reader.
        [(byte)'R', (byte)'C', (byte)'F', ..] => TableFormat.RcFile,
        [(byte)'S', (byte)'E', (byte)'Q', <= 6, ..] => TableFormat.SequenceFile,
        [0x1F, 0x8B, 8, ..] => TableFormat.Gzip,
        _ => TableFormat.DelimitedText,
    };

    public static async ValueTask<TableFormat> DetectAsync(IRandomAccess file, CancellationToken cancel = default)
    {
        var head = new byte[(int)Math.Min(HeadSize, file.Length)];
        await file.ReadAsync(0, head, cancel);
        return Detect(head);
    }
}
