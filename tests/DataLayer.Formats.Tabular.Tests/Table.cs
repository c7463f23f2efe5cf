using System.Text;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Reads whole Parquet files as text.</summary>
internal static class Table
{
    public static readonly FormatOptions LikeDuckDb = new() { Binary = BinaryText.Escaped };

    /// <summary>The rows as JSON lines, without the line feeds.</summary>
    public static string[] JsonLines(string path, ParquetReadOptions? options = null)
    {
        using var file = new LocalFile(path);
        return Lines(Read(file, options: options));
    }

    public static string[] Lines(string text) => text.Length == 0 ? [] : text[..^1].Split('\n');

    /// <summary>All rows; of a row group at most <paramref name="mostRows"/>.</summary>
    public static string Read(
        IRandomAccess file,
        bool csv = false,
        ParquetReadOptions? options = null,
        FormatOptions? format = null,
        IReadOnlyList<string>? columns = null,
        long mostRows = long.MaxValue)
    {
        ParquetFile parquet = Done(ParquetFile.OpenAsync(file, options));
        RowSchema schema = parquet.Project(columns);
        using RowFormatter formatter = csv ? RowFormatter.Csv(schema, format ?? LikeDuckDb) : RowFormatter.JsonLines(schema, format ?? LikeDuckDb);
        using var output = new RowOutput();
        var text = new StringBuilder();
        formatter.WriteHeader(output);
        for (int group = 0; group < parquet.Metadata.RowGroups.Count; group++)
        {
            using RowGroupReader rows = parquet.OpenRowGroup(group, schema);
            long read = 0;
            while (read < mostRows && Done(rows.ReadAsync()) is { } batch)
            {
                while (batch.NextRow < batch.RowCount && read < mostRows)
                {
                    read += formatter.Write(batch, output);
                    text.Append(Encoding.UTF8.GetString(output.Written.Span));
                    output.Clear();
                }
            }
        }
        text.Append(Encoding.UTF8.GetString(output.Written.Span));
        return text.ToString();
    }

    /// <summary>Files in memory and local files answer at once.</summary>
    public static T Done<T>(ValueTask<T> task) => task.AsTask().GetAwaiter().GetResult();

    public static void Done(ValueTask task) => task.AsTask().GetAwaiter().GetResult();
}
