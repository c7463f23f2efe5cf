using DataLayer.Formats;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Sources.Odps;

/// <summary>
/// The indexing job of one input file: decodes all of it once and writes its rows in both formats, to learn where they
/// lie. Both, although one may be enough today: the second costs about as much as formatting, no further read, and then
/// another mount or option never decodes the file again.
/// </summary>
static class RowIndexer
{
    /// <summary>
    /// A row of more text ends the job, since a span is generated whole in memory. As for delimited text, and eight times
    /// MaxCompute's longest string.
    /// </summary>
    public const int LongestRow = 64 << 20;

    /// <param name="progress">Told the bytes of JSON lines found since it was last told.</param>
    /// <exception cref="TabularException">The file cannot be read; names where.</exception>
    /// <exception cref="SourceException">From the source.</exception>
    public static async Task<RowIndex> BuildAsync(ISource source, RowRecipe recipe, ParquetFile? parquet, Action<long> progress, CancellationToken cancellation)
    {
        RowIndex index = new();
        using RowStream rows = await RowStream.OpenAsync(source, recipe, parquet, null, [], index.Restarts, cancellation);
        using RowFormatter json = rows.Formatter(RowFormat.JsonLines, recipe);
        using RowFormatter csv = rows.Formatter(RowFormat.Csv, recipe);
        using RowOutput output = new(LongestRow);
        RowIndex.Entry last = index.Entries[0], now = last;
        while (await rows.NextAsync(cancellation))
        {
            cancellation.ThrowIfCancellationRequested();
            RowBatch batch = rows.Batch;
            while (batch.NextRow < batch.RowCount)
            {
                int most = rows.StartsAnywhere ? (int)(RowIndex.SpanRows - (now.Row - last.Row)) : int.MaxValue;
                int room = (int)Math.Max(1, RowIndex.SpanBytes - (now.Json - last.Json));
                output.Clear();
                batch.Mark();
                int written = json.Write(batch, output, room, most);
                now = now with { Row = now.Row + written, Json = now.Json + output.Length, JsonCrc = Crc32C.Compute(output.Written.Span, now.JsonCrc) };
                output.Clear();
                batch.Return();
                csv.Write(batch, output, int.MaxValue, written);
                now = now with { Csv = now.Csv + output.Length, CsvCrc = Crc32C.Compute(output.Written.Span, now.CsvCrc) };
                bool full = now.Row - last.Row >= RowIndex.SpanRows || now.Json - last.Json >= RowIndex.SpanBytes;
                if (full && (rows.StartsAnywhere || batch.NextRow == batch.RowCount)) Cut();
            }
        }
        if (now.Row > last.Row) Cut();
        return index;

        void Cut()
        {
            now = now with { Text = rows.TextOffset };
            // Spans of text end with a batch only, and a batch of long rows may hold many.
            if (now.Json - last.Json > LongestRow || now.Csv - last.Csv > LongestRow)
                throw new TabularException(TabularFault.MemoryLimit, recipe.Name, last.Text, null, $"the rows from row {last.Row} on are longer than the {LongestRow} bytes that are generated at once");
            index.Add(now);
            progress(now.Json - last.Json);
            last = now;
            now = now with { JsonCrc = 0, CsvCrc = 0 };
        }
    }
}
