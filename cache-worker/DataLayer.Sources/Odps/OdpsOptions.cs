using DataLayer.Formats;

namespace DataLayer.Sources;

/// <summary>The row views of a table that are made.</summary>
[Flags]
public enum RowViews
{
    None = 0,

    /// <summary><c>.table/rows.jsonl</c></summary>
    JsonLines = 1,

    /// <summary><c>.table/rows.csv</c></summary>
    Csv = 2,

    /// <summary><c>.table/part-00000-of-000NN.jsonl</c></summary>
    Parts = 4,
    All = JsonLines | Csv | Parts,
}

/// <summary>How an <c>odps+…</c> source is read as a table export.</summary>
public sealed record OdpsOptions
{
    /// <summary>
    /// Which of several exports into one place: "latest", "all", or what the files' names begin with. Null: all files are
    /// shown, and rows only if no two exports overlap.
    /// </summary>
    public string? Export { get; init; }

    /// <summary>Condition on partition columns; row views hold the partitions that meet it. See <see cref="PartitionFilter"/>.</summary>
    public string? Where { get; init; }

    /// <summary>Columns of the row views, in this order; null for all. Only their chunks are read from Parquet files.</summary>
    public IReadOnlyList<string>? Columns { get; init; }

    /// <summary>
    /// Row views to make. None by default: their exact sizes take one decode of the whole table when it is listed for the
    /// first time, which must not stand between a user and the files of a table of terabytes.
    /// </summary>
    public RowViews Rows { get; init; }

    /// <summary>Number of parts; 0 for one per 256 MiB of text.</summary>
    public int Parts { get; init; }

    /// <summary>Show files under the names they have, without an added extension.</summary>
    public bool KeepNames { get; init; }

    /// <summary>How delimited text is written; what is null is found out from the files.</summary>
    public TextExport Text { get; init; } = new();

    internal void Validate()
    {
        if (Parts is < 0 or > 99_999) throw Bad($"The number of parts is {Parts}; it must be 1 to 99999, or 0 to choose by size.");
        if (Export is { Length: 0 }) throw Bad("The export to show is empty; give latest, all, or what its files' names begin with.");
        if (Columns is { Count: 0 } || Columns?.Any(name => name.Length == 0) == true) throw Bad("A column's name is empty; give names with commas between them.");
        if (Columns is not null && Columns.Distinct(StringComparer.Ordinal).Count() < Columns.Count) throw Bad("A column is named twice; each stands once in a row.");
        if (Text.Delimiter is >= (char)128 or '\n' or '\r' or '"') throw Bad("The delimiter must be one ASCII character other than a quote or a line break.");
    }

    static SourceException Bad(string message) => new(SourceFault.Misconfigured, message);
}

/// <summary>The parameters of MaxCompute's text handlers.</summary>
public sealed record TextExport
{
    /// <summary>Null: comma in files named .csv, tab in .tsv, else whichever of ^A (Hive's), tab and comma the first line has.</summary>
    public char? Delimiter { get; init; }

    /// <summary>Fields may stand in double quotes.</summary>
    public bool Quotes { get; init; }

    /// <summary>What stands for null.</summary>
    public string Null { get; init; } = "";

    /// <summary>Lines before the first row.</summary>
    public int HeaderLines { get; init; }

    /// <summary>Names of the columns, which text exports do not tell; null for _c0, _c1, …</summary>
    public IReadOnlyList<string>? Columns { get; init; }
}
