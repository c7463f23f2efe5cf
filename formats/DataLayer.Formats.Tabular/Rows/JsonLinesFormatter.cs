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
    readonly JsonValueWriter values;

    public JsonLinesFormatter(RowSchema schema, FormatOptions options)
        : base(schema, options)
    {
        values = new JsonValueWriter(Leaves);
        using var name = new RowOutput();
        prefixes = new byte[schema.Fields.Count][];
        for (int i = 0; i < prefixes.Length; i++)
        {
            name.Clear();
            name.Write(i == 0 ? (byte)'{' : (byte)',');
            JsonText.WriteString(name, schema.Fields[i].NameUtf8);
            name.Write((byte)':');
            prefixes[i] = name.Written.ToArray();
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

    private protected override void WriteRows(RowBatch batch, RowOutput output, int softLimit)
    {
        IReadOnlyList<RowShape> fields = Schema.Fields;
        do
        {
            for (int i = 0; i < prefixes.Length; i++)
            {
                output.Write(prefixes[i]);
                values.Write(fields[i], batch, output);
            }
            if (prefixes.Length == 0) output.Write((byte)'{');
            output.Write("}\n"u8);
            EndRow(batch, output);
        }
        while (batch.NextRow < batch.RowCount && output.Length < softLimit);
    }
}
