namespace DataLayer.Formats.Tabular.Rows;

/// <summary>
/// Writes rows as text, a line each. The bytes are a function of the file's values, <see cref="Version"/>, the schema
/// read and the options: nothing of the machine, the time or the batches shows in them. One thread at a time.
/// </summary>
public abstract class RowFormatter : IDisposable
{
    /// <summary>
    /// Raised with any change of the bytes written: it is part of the recipe of the views, whose sizes are recorded.
    /// </summary>
    public const int Version = 1;

    // At the end of a row or later; rows are rarely longer than this.
    const int DefaultSoftLimit = 1 << 20;

    readonly int[] nested;

    private protected RowFormatter(RowSchema schema, FormatOptions options)
    {
        Schema = schema;
        nested = [.. Enumerable.Range(0, schema.Columns.Count).Where(i => schema.Columns[i].RepetitionLevel > 0)];
        Leaves = [.. schema.Columns.Select(column => new LeafText(column, options))];
    }

    public RowSchema Schema { get; }

    private protected LeafText[] Leaves { get; }

    public static RowFormatter JsonLines(RowSchema schema, FormatOptions? options = null) => new JsonLinesFormatter(schema, options ?? new());

    public static RowFormatter Csv(RowSchema schema, FormatOptions? options = null) => new CsvFormatter(schema, options ?? new());

    /// <summary>The header line that a CSV file with these columns begins with.</summary>
    public static void WriteCsvHeader(IReadOnlyList<string> columns, RowOutput output)
    {
        for (int i = 0; i < columns.Count; i++)
        {
            if (i > 0) output.Write((byte)',');
            CsvFormatter.WriteField(output, System.Text.Encoding.UTF8.GetBytes(columns[i]));
        }
        output.Write((byte)'\n');
    }

    /// <summary>What stands before the first row.</summary>
    public abstract void WriteHeader(RowOutput output);

    /// <summary>
    /// Appends rows of the batch, from its next row on, until it is used up, <paramref name="output"/> holds
    /// <paramref name="softLimit"/> bytes or <paramref name="mostRows"/> are written; at least one. The answer is how many.
    /// </summary>
    public int Write(RowBatch batch, RowOutput output, int softLimit = DefaultSoftLimit, int mostRows = int.MaxValue)
    {
        if (batch.Schema != Schema) throw new ArgumentException("the batch was read with another schema", nameof(batch));
        int first = batch.NextRow;
        try
        {
            WriteRows(batch, output, softLimit, (int)Math.Min(batch.RowCount, (long)first + mostRows));
        }
        catch (OutputTooLongException)
        {
            FaultSite? site = batch.Sites.FirstOrDefault();
            throw new TabularException(TabularFault.MemoryLimit, site?.File ?? "", site?.Offset ?? 0, null, $"the text of row {batch.NextRow} of the batch is longer than the output may be");
        }
        return batch.NextRow - first;
    }

    public virtual void Dispose() => GC.SuppressFinalize(this);

    /// <summary>The row is written: every nested column must have come to the start of the next.</summary>
    private protected void EndRow(RowBatch batch, RowOutput output)
    {
        foreach (int column in nested)
        {
            ColumnVector vector = batch.Columns[column];
            int at = batch.LevelAt[column];
            if (at < vector.BatchLevels && vector.Repetitions[at] != 0)
            {
                throw batch.Sites[column].Corrupt("the column and its siblings disagree about where a row ends");
            }
        }
        output.EndRow();
        batch.NextRow++;
    }

    private protected abstract void WriteRows(RowBatch batch, RowOutput output, int softLimit, int endRow);
}
