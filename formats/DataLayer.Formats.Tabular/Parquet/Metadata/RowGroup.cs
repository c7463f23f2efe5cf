namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>A horizontal slice of the table: one chunk per leaf column, in schema order.</summary>
public sealed class RowGroup
{
    public required int Index { get; init; }

    public required long RowCount { get; init; }

    /// <summary>Rows of the groups before this one.</summary>
    public required long FirstRow { get; init; }

    public required IReadOnlyList<ColumnChunk> Columns { get; init; }
}
