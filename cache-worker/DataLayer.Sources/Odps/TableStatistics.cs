using DataLayer.Formats.Tabular.Parquet;

namespace DataLayer.Sources.Odps;

/// <summary>What the footers of a table's files add up to. Rows of delimited text are known only where they were indexed.</summary>
sealed class TableStatistics
{
    // Every leaf of every type it has in some file: a hostile table must not fill the memory with them.
    const int MostColumns = 10_000;

    readonly SortedDictionary<string, ColumnBounds> bounds = new(StringComparer.Ordinal);
    readonly Dictionary<string, string> typeOf = new(StringComparer.Ordinal);
    readonly HashSet<string> mixed = new(StringComparer.Ordinal);

    public sealed record File(string Path, string Format, long Bytes, long? Rows, int? RowGroups, string? Writer);

    public List<File> Files { get; } = [];

    /// <summary>By dotted path. Columns whose type differs between files are not among them.</summary>
    public IEnumerable<KeyValuePair<string, ColumnBounds>> Columns => bounds.Where(pair => !mixed.Contains(pair.Key));

    public void Add(string path, ExportFile file, FileFacts facts, long? rows)
    {
        FileMetadata? footer = facts.Parquet?.Metadata;
        Files.Add(new File(path, FormatName.Of(file.Format), file.Entry.Size, footer?.RowCount ?? rows, footer?.RowGroups.Count, footer?.CreatedBy));
        foreach (RowGroup group in footer?.RowGroups ?? [])
        {
            foreach (ColumnChunk chunk in group.Columns)
            {
                string name = chunk.Column.Path, type = $"{chunk.Column.Physical}{chunk.Column.TypeLength}{chunk.Column.Logical}";
                if (typeOf.TryGetValue(name, out string? known) && known != type) mixed.Add(name);
                if (known is null)
                {
                    if (typeOf.Count == MostColumns) continue;
                    typeOf.Add(name, type);
                    bounds.Add(name, new ColumnBounds(chunk.Column));
                }
                if (!mixed.Contains(name)) bounds[name].Add(chunk);
            }
        }
    }
}
