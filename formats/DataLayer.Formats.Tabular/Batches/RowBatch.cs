namespace DataLayer.Formats.Tabular;

/// <summary>
/// Some consecutive rows, and how many of them a formatter has written. It belongs to the reader that made it, and its
/// content is gone at the reader's next read.
/// </summary>
public sealed class RowBatch
{
    readonly int[] markedLevels;
    readonly int[] markedValues;
    int markedRow;

    internal RowBatch(RowSchema schema, ColumnVector[] columns, FaultSite[] sites)
    {
        Schema = schema;
        Columns = columns;
        Sites = sites;
        LevelAt = new int[columns.Length];
        ValueAt = new int[columns.Length];
        markedLevels = new int[columns.Length];
        markedValues = new int[columns.Length];
    }

    public RowSchema Schema { get; }

    public int RowCount { get; private set; }

    /// <summary>The next row to be written; the batch is used up when it is <see cref="RowCount"/>.</summary>
    public int NextRow { get; internal set; }

    internal ColumnVector[] Columns { get; }

    /// <summary>Where each column is, for errors about its values.</summary>
    internal FaultSite[] Sites { get; }

    /// <summary>Per column, the level and the value of the next row.</summary>
    internal int[] LevelAt { get; }

    internal int[] ValueAt { get; }

    /// <summary>Remembers the next row for <see cref="Return"/>: rows are written in a second format that way.</summary>
    public void Mark()
    {
        markedRow = NextRow;
        LevelAt.CopyTo(markedLevels, 0);
        ValueAt.CopyTo(markedValues, 0);
    }

    /// <summary>Back to the row of the last <see cref="Mark"/> of this batch.</summary>
    public void Return()
    {
        NextRow = markedRow;
        markedLevels.CopyTo(LevelAt, 0);
        markedValues.CopyTo(ValueAt, 0);
    }

    internal void Restart(int rows)
    {
        RowCount = rows;
        NextRow = 0;
        Array.Clear(LevelAt);
        Array.Clear(ValueAt);
    }
}
