using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using DataLayer.Formats.Tabular.Parquet;

namespace DataLayer.Sources.Odps;

/// <summary>Writes <c>schema.json</c> and <c>stats.json</c>: the same table gives the same bytes.</summary>
static class TableJson
{
    // Names and messages are read by people; the file is never put into HTML.
    static readonly JsonWriterOptions Options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Schema(TableSchema schema) => Write(json =>
    {
        json.WriteStartArray("columns");
        foreach (TableSchema.Column column in schema.Columns.Where(column => !schema.PartitionColumns.Contains(column.Name)))
        {
            json.WriteStartObject();
            json.WriteString("name", column.Name);
            json.WriteString("type", column.Odps);
            if (column.Parquet is not null) json.WriteString("parquet", column.Parquet);
            json.WriteBoolean("nullable", column.Nullable);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("partitionColumns");
        foreach (string name in schema.PartitionColumns)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteString("type", "STRING");
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    public static byte[] Statistics(TableReport report) => Write(json =>
    {
        TableStatistics statistics = report.Statistics;
        string[] formats = [.. statistics.Files.Select(file => file.Format).Distinct().Order(StringComparer.Ordinal)];
        json.WriteString("format", formats.Length == 0 ? "empty" : formats.Length == 1 ? formats[0] : "mixed");
        WriteNumber(json, "rows", statistics.Files.All(file => file.Rows is not null) ? statistics.Files.Sum(file => file.Rows) : null);
        json.WriteNumber("files", statistics.Files.Count);
        json.WriteNumber("bytes", statistics.Files.Sum(file => file.Bytes));
        json.WriteNumber("rowGroups", statistics.Files.Sum(file => file.RowGroups ?? 0));
        WriteLayout(json, report);
        json.WriteStartObject("columns");
        foreach ((string name, ColumnBounds bounds) in statistics.Columns)
        {
            json.WriteStartObject(name);
            WriteNumber(json, "nulls", bounds.NullCount);
            WriteRaw(json, "min", bounds.MinAsJson);
            WriteRaw(json, "max", bounds.MaxAsJson);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        WriteViews(json, report);
        json.WriteStartArray("data");
        foreach (TableStatistics.File file in statistics.Files)
        {
            json.WriteStartObject();
            json.WriteString("path", file.Path);
            json.WriteString("format", file.Format);
            json.WriteNumber("bytes", file.Bytes);
            WriteNumber(json, "rows", file.Rows);
            if (file.RowGroups is { } groups) json.WriteNumber("rowGroups", groups);
            if (file.Writer is { } writer) json.WriteString("writer", writer);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    static void WriteLayout(Utf8JsonWriter json, TableReport report)
    {
        ExportLayout layout = report.Layout;
        json.WriteStartArray("exports");
        foreach ((string run, int files) in layout.Runs)
        {
            json.WriteStartObject();
            json.WriteString("job", run);
            json.WriteNumber("files", files);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNumber("filesOfOtherExports", layout.NotChosen);
        json.WriteNumber("filesIgnored", layout.Ignored);
        json.WriteStartArray("notices");
        foreach (string notice in report.Notices) json.WriteStringValue(notice);
        json.WriteEndArray();
    }

    static void WriteViews(Utf8JsonWriter json, TableReport report)
    {
        json.WriteStartObject("views");
        foreach (TableReport.View view in report.Views)
        {
            json.WriteStartObject(view.Name);
            json.WriteNumber("rows", view.Rows);
            json.WriteNumber("bytes", view.Bytes);
            if (view.FirstRow > 0) json.WriteNumber("firstRow", view.FirstRow);
            if (view.Index is not null) json.WriteString("index", view.Index);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        if (report.RowsAbsent is { } why) json.WriteString("rowsAbsent", why);
        json.WriteStartArray("errors");
        foreach (TableFault fault in report.Faults)
        {
            json.WriteStartObject();
            json.WriteString("file", fault.File);
            WriteNumber(json, "offset", fault.Offset);
            json.WriteString("error", fault.Error);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    static byte[] Write(Action<Utf8JsonWriter> body)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes, Options))
        {
            json.WriteStartObject();
            body(json);
            json.WriteEndObject();
        }
        bytes.Write("\n"u8);
        return bytes.WrittenSpan.ToArray();
    }

    static void WriteNumber(Utf8JsonWriter json, string name, long? value)
    {
        if (value is { } number) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }

    static void WriteRaw(Utf8JsonWriter json, string name, string? value)
    {
        json.WritePropertyName(name);
        json.WriteRawValue(value ?? "null");
    }
}

/// <summary>What <c>stats.json</c> tells.</summary>
sealed record TableReport(ExportLayout Layout, TableStatistics Statistics)
{
    /// <param name="Index">The file beside it that holds its rows' offsets.</param>
    public sealed record View(string Name, long FirstRow, long Rows, long Bytes, string? Index);

    public List<string> Notices { get; } = [];

    public List<View> Views { get; } = [];

    public List<TableFault> Faults { get; } = [];

    /// <summary>Why there are no row views.</summary>
    public string? RowsAbsent { get; set; }
}
