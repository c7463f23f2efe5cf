namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>What a Parquet footer says.</summary>
public sealed class FileMetadata
{
    public required int Version { get; init; }

    public required SchemaNode Root { get; init; }

    /// <summary>Columns in the order of the chunks.</summary>
    public required IReadOnlyList<SchemaNode> Leaves { get; init; }

    public required long RowCount { get; init; }

    public required IReadOnlyList<RowGroup> RowGroups { get; init; }

    public required string? CreatedBy { get; init; }

    /// <summary>The writer's own notes, such as the Arrow schema; a key may occur more than once.</summary>
    public required IReadOnlyList<KeyValuePair<string, string?>> KeyValues { get; init; }
}
