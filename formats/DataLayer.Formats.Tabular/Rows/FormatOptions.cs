namespace DataLayer.Formats.Tabular.Rows;

/// <summary>How rows show byte arrays that have no annotation as text.</summary>
public enum BinaryText
{
    /// <summary>RFC 4648, section 4, with padding.</summary>
    Base64,

    /// <summary>
    /// Printable ASCII as it is, and <c>\xHH</c> (upper case) for other bytes, quotes and the backslash: readable where
    /// a writer forgot to say that its bytes are text. What DuckDB prints.
    /// </summary>
    Escaped,
}

/// <summary>Part of a view's recipe: other options are other bytes.</summary>
public sealed record FormatOptions
{
    public BinaryText Binary { get; init; }

    /// <summary>Show invalid UTF-8 in a text column as U+FFFD. Otherwise it is an error, since no row may be wrong in silence.</summary>
    public bool ReplaceInvalidUtf8 { get; init; }

    /// <summary>Columns that have one value in all rows: of a partition, or absent from this file of a table.</summary>
    public IReadOnlyList<ConstantColumn> Constants { get; init; } = [];

    /// <summary>Whether a CSV file starts with a line of the column names.</summary>
    public bool Header { get; init; } = true;
}

/// <summary>A column that is not in the file.</summary>
/// <param name="Before">The field of the schema that it stands before; their number for after the last. Those before one field keep their order.</param>
/// <param name="Value">Text, or null.</param>
public sealed record ConstantColumn(int Before, string Name, string? Value);
