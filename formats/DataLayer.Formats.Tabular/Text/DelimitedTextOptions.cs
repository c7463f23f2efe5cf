namespace DataLayer.Formats.Tabular.Text;

/// <summary>
/// How a delimited text file is to be read. The defaults and names follow MaxCompute's built-in text handlers
/// (<c>odps.text.option.*</c> of CsvStorageHandler and TsvStorageHandler): UTF-8, empty lines ignored, no header line,
/// and an empty field is null.
/// </summary>
public sealed record DelimitedTextOptions
{
    /// <summary>MaxCompute's CSV.</summary>
    public static DelimitedTextOptions Csv { get; } = new() { Delimiter = ',' };

    /// <summary>MaxCompute's TSV, and UNLOAD's text when nothing else is said.</summary>
    public static DelimitedTextOptions Tsv { get; } = new() { Delimiter = '\t' };

    /// <summary>One ASCII character (<c>delimiter</c>).</summary>
    public char Delimiter { get; init; } = '\t';

    /// <summary>
    /// Whether a field may stand in double quotes, with a double quote inside written twice (<c>use.quote</c>, off in
    /// MaxCompute too). Only then can a field hold the delimiter or a line break.
    /// </summary>
    public bool UseQuotes { get; init; }

    /// <summary>
    /// Unquoted fields with this text are null (<c>null.indicator</c>); exports made for Hive use <c>\N</c>.
    /// </summary>
    public string NullIndicator { get; init; } = "";

    /// <summary>Lines before the first row that are passed over (<c>header.lines.count</c>).</summary>
    public int HeaderLines { get; init; }

    /// <summary>Whether a line without any character is no row (<c>ignore.empty.lines</c>).</summary>
    public bool IgnoreEmptyLines { get; init; } = true;

    /// <summary>
    /// What becomes of a row with other than the expected fields (<c>odps.sql.text.schema.mismatch.mode</c>): an error,
    /// or missing fields are null and further ones are dropped.
    /// </summary>
    public bool TolerateMismatch { get; init; }

    /// <summary>
    /// Bytes that one row may have. Rows are read whole, and a quote that never closes would otherwise take all of the
    /// file; MaxCompute's longest string has 8 MiB.
    /// </summary>
    public int LongestRow { get; init; } = 64 << 20;

    internal void Validate()
    {
        if (Delimiter is >= (char)128 or '\n' or '\r' or '"') throw new ArgumentException("the delimiter must be an ASCII character other than a quote and a line break", nameof(Delimiter));
        ArgumentOutOfRangeException.ThrowIfNegative(HeaderLines, nameof(HeaderLines));
        ArgumentOutOfRangeException.ThrowIfLessThan(LongestRow, 1, nameof(LongestRow));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(LongestRow, 1 << 30, nameof(LongestRow));
    }
}
