using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Sources.Odps;

/// <summary>
/// The columns of a table: those of its files, by name, in the order in which the files first show them, then the
/// partition columns. A file that lacks a column has nulls there. A directory's value wins over a column of the same name
/// in the file, as in Hive.
/// </summary>
sealed class TableSchema
{
    readonly List<Column> columns = [];
    readonly List<string> partitions = [];
    readonly Dictionary<string, int> byName = new(StringComparer.Ordinal);

    /// <param name="Odps">MaxCompute's type.</param>
    /// <param name="Parquet">Parquet's type; null for delimited text.</param>
    public sealed record Column(string Name, string Odps, string? Parquet, bool Nullable, int Files);

    public IReadOnlyList<Column> Columns => columns;

    public IReadOnlyList<string> PartitionColumns => partitions;

    /// <summary>Columns whose type differs between files, one sentence each.</summary>
    public List<string> Notices { get; } = [];

    public void Add(ExportFile file, FileFacts facts)
    {
        foreach ((string name, _) in file.Partition)
            if (!partitions.Contains(name)) partitions.Add(name);
        if (facts.Parquet is { } parquet)
        {
            foreach (SchemaNode field in parquet.Metadata.Root.Children)
                Add(file, new Column(field.Name, TypeName.Odps(field), TypeName.Parquet(field), field.Repetition != Repetition.Required, 1));
        }
        foreach (string name in facts.Text?.Columns ?? []) Add(file, new Column(name, "STRING", null, true, 1));
    }

    void Add(ExportFile file, Column column)
    {
        if (!byName.TryGetValue(column.Name, out int at))
        {
            byName.Add(column.Name, columns.Count);
            columns.Add(column);
            return;
        }
        Column known = columns[at];
        if (known.Odps != column.Odps && Notices.Count < 100) Notices.Add($"column {column.Name} is {column.Odps} in {file.Path} and {known.Odps} in files before it");
        columns[at] = known with { Nullable = known.Nullable || column.Nullable, Files = known.Files + 1 };
    }

    /// <summary>Names of a row's columns: those asked for, or all.</summary>
    /// <exception cref="DataLayer.Formats.SourceException">Misconfigured: one that the table does not have.</exception>
    public IReadOnlyList<string> RowColumns(IReadOnlyList<string>? wanted)
    {
        string[] all = [.. columns.Select(column => column.Name).Where(name => !partitions.Contains(name)), .. partitions];
        if (wanted?.FirstOrDefault(name => !all.Contains(name)) is { } missing)
            throw new Formats.SourceException(Formats.SourceFault.Misconfigured, $"--columns: the table has no column '{missing}'; it has {string.Join(", ", all)}.");
        return wanted ?? all;
    }

    /// <summary>How one file's rows come to have these columns.</summary>
    public RowRecipe Recipe(ExportFile file, FileFacts facts, IReadOnlyList<string> rowColumns)
    {
        HashSet<string> own = new(facts.Columns, StringComparer.Ordinal);
        List<string> read = [];
        List<ConstantColumn> constants = [];
        foreach (string name in rowColumns)
        {
            if (partitions.Contains(name)) constants.Add(new ConstantColumn(read.Count, name, file.Partition.FirstOrDefault(pair => pair.Key == name).Value));
            else if (own.Contains(name)) read.Add(name);
            else constants.Add(new ConstantColumn(read.Count, name, null));
        }
        return new RowRecipe(file.Source, file.Format, read, constants, facts.Text);
    }
}
