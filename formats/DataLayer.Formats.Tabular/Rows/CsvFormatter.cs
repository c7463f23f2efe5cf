using System.Buffers;
using System.Text;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>
/// RFC 4180 with a line feed after each row, a header line, commas, and quotes only where they are needed. Null is an
/// empty field, an empty string <c>""</c>. Values are written as in JSON lines, without JSON's quotes; nested values as
/// their JSON.
/// </summary>
internal sealed class CsvFormatter : RowFormatter
{
    static readonly SearchValues<byte> Special = SearchValues.Create(",\"\n\r"u8);

    readonly bool header;
    readonly IReadOnlyList<ConstantColumn> constants;
    // Commas and constant columns before each field, and after the last.
    readonly byte[][] between;
    readonly RowOutput nested = new();
    JsonValueWriter? values;

    public CsvFormatter(RowSchema schema, FormatOptions options)
        : base(schema, options)
    {
        header = options.Header;
        constants = options.Constants;
        between = Between(constant => constant.Value);
    }

    public override void WriteHeader(RowOutput output)
    {
        if (!header) return;
        byte[][] names = Between(constant => constant.Name);
        for (int i = 0; i < names.Length; i++)
        {
            output.Write(names[i]);
            if (i < Schema.Fields.Count) WriteField(output, Schema.Fields[i].NameUtf8);
        }
        output.Write((byte)'\n');
    }

    byte[][] Between(Func<ConstantColumn, string?> text)
    {
        byte[][] all = new byte[Schema.Fields.Count + 1][];
        using var output = new RowOutput();
        bool first = true;
        for (int i = 0; i < all.Length; i++)
        {
            output.Clear();
            foreach (ConstantColumn constant in constants.Where(constant => constant.Before == i))
            {
                Separate(output);
                if (text(constant) is { } value) WriteField(output, Encoding.UTF8.GetBytes(value));
            }
            if (i < Schema.Fields.Count) Separate(output);
            all[i] = output.Written.ToArray();
        }
        return all;

        void Separate(RowOutput output)
        {
            if (!first) output.Write((byte)',');
            first = false;
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        nested.Dispose();
        values?.Dispose();
    }

    private protected override void WriteRows(RowBatch batch, RowOutput output, int softLimit, int endRow)
    {
        IReadOnlyList<RowShape> fields = Schema.Fields;
        do
        {
            for (int i = 0; i < fields.Count; i++)
            {
                output.Write(between[i]);
                RowShape shape = fields[i];
                if (shape.Kind == ShapeKind.Leaf) WriteLeaf(shape, batch, output);
                else WriteNested(shape, batch, output);
            }
            output.Write(between[^1]);
            output.Write((byte)'\n');
            EndRow(batch, output);
        }
        while (batch.NextRow < endRow && output.Length < softLimit);
    }

    void WriteLeaf(RowShape shape, RowBatch batch, RowOutput output)
    {
        int column = shape.Columns[0];
        ColumnVector vector = batch.Columns[column];
        int level = batch.LevelAt[column]++;
        if (shape.PresentLevel > 0 && vector.Definitions[level] < shape.PresentLevel) return;
        int index = batch.ValueAt[column]++;
        LeafText leaf = Leaves[column];
        if (leaf.Kind == LeafKind.Text)
        {
            WriteField(output, leaf.Text(vector, index, batch.Sites[column]));
            return;
        }
        int start = output.Length;
        leaf.Write(output, vector, index, batch.Sites[column]);
        if (leaf.Kind >= LeafKind.Base64) Requote(output, start);
    }

    void WriteNested(RowShape shape, RowBatch batch, RowOutput output)
    {
        values ??= new JsonValueWriter(Leaves);
        int start = output.Length;
        values.Write(shape, batch, output);
        if (output.From(start).SequenceEqual("null"u8)) output.Truncate(start);
        else Requote(output, start);
    }

    /// <summary>What was written from <paramref name="start"/> on as a field.</summary>
    void Requote(RowOutput output, int start)
    {
        ReadOnlySpan<byte> text = output.From(start);
        if (text.Length > 0 && !text.ContainsAny(Special)) return;
        nested.Clear();
        nested.Write(text);
        output.Truncate(start);
        WriteField(output, nested.Written.Span);
    }

    internal static void WriteField(RowOutput output, ReadOnlySpan<byte> text)
    {
        if (text.Length > 0 && !text.ContainsAny(Special))
        {
            output.Write(text);
            return;
        }
        output.Write((byte)'"');
        while (text.IndexOf((byte)'"') is var quote and >= 0)
        {
            output.Write(text[..(quote + 1)]);
            output.Write((byte)'"');
            text = text[(quote + 1)..];
        }
        output.Write(text);
        output.Write((byte)'"');
    }
}
