namespace DataLayer.Formats.Tabular.Rows;

/// <summary>
/// Writes one field of a row as a JSON value, putting nested values together from the levels of their columns. What the
/// columns say about one list or struct must agree; a file where it does not is corrupt.
/// </summary>
internal sealed class JsonValueWriter(LeafText[] leaves) : IDisposable
{
    readonly RowOutput key = new();

    public void Write(RowShape shape, RowBatch batch, RowOutput output)
    {
        switch (shape.Kind)
        {
            case ShapeKind.Leaf: WriteLeaf(shape, batch, output); break;
            case ShapeKind.Struct: WriteStruct(shape, batch, output); break;
            case ShapeKind.List: WriteList(shape, batch, output); break;
            default: WriteMap(shape, batch, output); break;
        }
    }

    public void Dispose() => key.Dispose();

    /// <summary>Writes value <paramref name="index"/> of a column.</summary>
    public void WriteValue(int column, ColumnVector vector, int index, FaultSite site, RowOutput output)
    {
        LeafText leaf = leaves[column];
        if (leaf.Kind == LeafKind.Text)
        {
            JsonText.WriteString(output, leaf.Text(vector, index, site));
            return;
        }
        bool quoted = leaf.Kind >= LeafKind.Date || leaf.IsWord(vector, index);
        if (quoted) output.Write((byte)'"');
        int start = output.Length;
        leaf.Write(output, vector, index, site);
        if (leaf.Kind == LeafKind.Escaped && output.From(start).Contains((byte)'\\')) EscapeAgain(output, start);
        if (quoted) output.Write((byte)'"');
    }

    void WriteLeaf(RowShape shape, RowBatch batch, RowOutput output)
    {
        int column = shape.Columns[0];
        if (Level(batch, column) < shape.PresentLevel)
        {
            output.Write("null"u8);
        }
        else
        {
            int index = batch.ValueAt[column]++;
            WriteValue(column, batch.Columns[column], index, batch.Sites[column], output);
        }
        batch.LevelAt[column]++;
    }

    void WriteStruct(RowShape shape, RowBatch batch, RowOutput output)
    {
        if (!IsAtLeast(shape, shape.PresentLevel, batch))
        {
            Pass(shape, batch);
            output.Write("null"u8);
            return;
        }
        byte separator = (byte)'{';
        foreach (RowShape child in shape.Children)
        {
            output.Write(separator);
            JsonText.WriteString(output, child.NameUtf8);
            output.Write((byte)':');
            Write(child, batch, output);
            separator = (byte)',';
        }
        output.Write((byte)'}');
    }

    void WriteList(RowShape shape, RowBatch batch, RowOutput output)
    {
        if (WriteWithoutElements(shape, batch, output, "[]"u8)) return;
        byte separator = (byte)'[';
        do
        {
            output.Write(separator);
            Write(shape.Children[0], batch, output);
            separator = (byte)',';
        }
        while (HasNext(shape, batch));
        output.Write((byte)']');
    }

    /// <summary>An object, as DuckDB writes maps; keys that are no strings as their text.</summary>
    void WriteMap(RowShape shape, RowBatch batch, RowOutput output)
    {
        if (WriteWithoutElements(shape, batch, output, "{}"u8)) return;
        byte separator = (byte)'{';
        do
        {
            output.Write(separator);
            WriteKey(shape.Children[0], batch, output);
            output.Write((byte)':');
            if (shape.Children.Count > 1) Write(shape.Children[1], batch, output);
            else output.Write("null"u8);
            separator = (byte)',';
        }
        while (HasNext(shape, batch));
        output.Write((byte)'}');
    }

    void WriteKey(RowShape shape, RowBatch batch, RowOutput output)
    {
        int start = output.Length;
        Write(shape, batch, output);
        if (output.From(start)[0] == '"') return;
        key.Clear();
        key.Write(output.From(start));
        output.Truncate(start);
        JsonText.WriteString(output, key.Written.Span);
    }

    /// <summary>Null, or a list or map without elements; false when there are some.</summary>
    static bool WriteWithoutElements(RowShape shape, RowBatch batch, RowOutput output, ReadOnlySpan<byte> empty)
    {
        if (IsAtLeast(shape, shape.ElementLevel, batch)) return false;
        bool present = IsAtLeast(shape, shape.PresentLevel, batch);
        Pass(shape, batch);
        output.Write(present ? empty : "null"u8);
        return true;
    }

    /// <summary>Whether another element of the list or map follows.</summary>
    static bool HasNext(RowShape shape, RowBatch batch)
    {
        bool? answer = null;
        foreach (int column in shape.Columns)
        {
            ColumnVector vector = batch.Columns[column];
            int at = batch.LevelAt[column];
            int repetition = at < vector.BatchLevels ? vector.Repetitions[at] : 0;
            bool more = repetition == shape.RepeatLevel;
            if (repetition > shape.RepeatLevel || (answer is { } first && first != more)) throw Disagreement(batch, column);
            answer = more;
        }
        if (answer == true && !IsAtLeast(shape, shape.ElementLevel, batch)) throw Disagreement(batch, shape.Columns[0]);
        return answer == true;
    }

    static bool IsAtLeast(RowShape shape, int level, RowBatch batch)
    {
        bool answer = Level(batch, shape.Columns[0]) >= level;
        for (int i = 1; i < shape.Columns.Length; i++)
        {
            if (Level(batch, shape.Columns[i]) >= level != answer) throw Disagreement(batch, shape.Columns[i]);
        }
        return answer;
    }

    static void Pass(RowShape shape, RowBatch batch)
    {
        foreach (int column in shape.Columns) batch.LevelAt[column]++;
    }

    static int Level(RowBatch batch, int column)
    {
        ColumnVector vector = batch.Columns[column];
        int at = batch.LevelAt[column];
        if (at >= vector.BatchLevels) throw Disagreement(batch, column);
        return vector.Leaf.DefinitionLevel == 0 ? 0 : vector.Definitions[at];
    }

    static TabularException Disagreement(RowBatch batch, int column) =>
        batch.Sites[column].Corrupt("the column and its siblings disagree about where a list, map or struct ends");

    /// <summary>The <c>\xHH</c> of escaped binary inside a JSON string.</summary>
    void EscapeAgain(RowOutput output, int start)
    {
        key.Clear();
        key.Write(output.From(start));
        output.Truncate(start);
        JsonText.WriteEscaped(output, key.Written.Span);
    }
}
