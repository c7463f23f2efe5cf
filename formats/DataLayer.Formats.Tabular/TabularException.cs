namespace DataLayer.Formats.Tabular;

/// <summary>Why a table file could not be read.</summary>
public enum TabularFault
{
    /// <summary>The bytes contradict the format or themselves.</summary>
    Corrupt,

    /// <summary>Valid, but of a kind this reader does not decode.</summary>
    Unsupported,

    /// <summary>Parquet modular encryption: we hold no keys.</summary>
    Encrypted,

    /// <summary>Reading on would need more memory than <see cref="Parquet.ParquetReadOptions.MemoryLimit"/>.</summary>
    MemoryLimit,

    /// <summary>A native library that the codec needs is not installed.</summary>
    MissingLibrary,
}

/// <summary>The one exception of this assembly about a file's content. Never transient: the same bytes fail again.</summary>
public sealed class TabularException : Exception
{
    public TabularException(TabularFault fault, string file, long offset, string? column, string problem, Exception? inner = null)
        : base(Describe(file, offset, column, problem), inner)
    {
        Fault = fault;
        File = file;
        Offset = offset;
        Column = column;
        Problem = problem;
    }

    public TabularFault Fault { get; }

    public string File { get; }

    /// <summary>Byte in the file at or after which the problem lies: of the page, the footer or the line.</summary>
    public long Offset { get; }

    /// <summary>Dotted path of the column, or null when the problem is not of one column.</summary>
    public string? Column { get; }

    /// <summary>The message without file, offset and column.</summary>
    public string Problem { get; }

    static string Describe(string file, long offset, string? column, string problem) =>
        column is null ? $"{file} at byte {offset}: {problem}" : $"{file} at byte {offset}, column {column}: {problem}";
}
