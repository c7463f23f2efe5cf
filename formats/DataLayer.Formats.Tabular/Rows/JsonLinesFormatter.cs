using System.Text;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>
/// One JSON object per line, all fields present, in schema order. Integers and decimals are numbers with all their
/// digits; floating point the shortest digits that read back the same, "NaN", "Infinity" and "-Infinity" as strings;
/// dates, times and UUIDs strings; byte arrays base64 or escaped; JSON columns strings, unparsed; lists arrays, structs
/// objects, maps objects whose keys are the keys' text (a key that occurs twice stands twice).
/// </summary>
internal sealed class JsonLinesFormatter : RowFormatter
{
    readonly byte[][] prefixes;
    readonly byte[] tail;
    readonly JsonValueWriter values;

    public JsonLinesFormatter(RowSchema schema, FormatOptions options)
        : base(schema, options)
    {
        values = new JsonValueWriter(Leaves);
        using var text = new RowOutput();
        prefixes = new byte[schema.Fields.Count][];
        byte separator = (byte)'{';
        for (int i = 0; i <= prefixes.Length; i++)
        {
            text.Clear();
            foreach (ConstantColumn constant in options.Constants.Where(constant => constant.Before == i))
            {
                WriteName(text, Encoding.UTF8.GetBytes(constant.Name));
                if (constant.Value is null) text.Write("null"u8);
                else JsonText.WriteString(text, Encoding.UTF8.GetBytes(constant.Value));
            }
            if (i < prefixes.Length)
            {
                WriteName(text, schema.Fields[i].NameUtf8);
                prefixes[i] = text.Written.ToArray();
            }
        }
        if (separator == (byte)'{') text.Write(separator);
        text.Write("}\n"u8);
        tail = text.Written.ToArray();

        void WriteName(RowOutput output, ReadOnlySpan<byte> name)
        {
            output.Write(separator);
            separator = (byte)',';
            JsonText.WriteString(output, name);
            output.Write((byte)':');
        }
    }

    public override void WriteHeader(RowOutput output)
    {
    }

    public override void Dispose()
    {
        base.Dispose();
        values.Dispose();
    }

    private protected override void WriteRows(RowBatch batch, RowOutput output, int softLimit, int endRow)
    {
        IReadOnlyList<RowShape> fields = Schema.Fields;
        do
        {
            for (int i = 0; i < prefixes.Length; i++)
            {
                output.Write(prefixes[i]);
                values.Write(fields[i], batch, output);
            }
            output.Write(tail);
            EndRow(batch, output);
        }
        while (batch.NextRow < endRow && output.Length < softLimit);
    }
}
