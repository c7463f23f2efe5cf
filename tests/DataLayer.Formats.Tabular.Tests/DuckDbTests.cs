using System.Globalization;
using System.Text;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;
using Xunit;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Random tables written by DuckDB decode to the rows that DuckDB reads from them.</summary>
public sealed class DuckDbTests(DuckDbTables tables) : IClassFixture<DuckDbTables>
{
    [Fact]
    public void Rows_as_json_lines_are_those_that_DuckDB_reads()
    {
        foreach (string name in tables.Names)
        {
            bool[] hasFloat = FloatColumns(name);
            string[] expected = File.ReadAllLines(Path.Combine(tables.Folder, name + ".jsonl"));
            string[] actual = Table.JsonLines(tables.Parquet(name));
            Assert.True(expected.Length == actual.Length, $"{actual.Length} rows, not {expected.Length}: {tables.Describe(name)}");
            for (int row = 0; row < actual.Length; row++)
            {
                var ours = (JsonTree.Object)JsonTree.Parse(actual[row]);
                var theirs = (JsonTree.Object)JsonTree.Parse(expected[row]);
                Assert.Equal(theirs.Fields.Count, ours.Fields.Count);
                for (int column = 0; column < ours.Fields.Count; column++)
                {
                    Assert.Equal(theirs.Fields[column].Key, ours.Fields[column].Key);
                    string? difference = JsonTree.Difference(ours.Fields[column].Value, theirs.Fields[column].Value, hasFloat[column]);
                    Assert.True(difference is null, $"row {row}, column {ours.Fields[column].Key}: {difference}; {tables.Describe(name)}");
                }
            }
        }
    }

    [Fact]
    public void Rows_as_csv_are_those_that_DuckDB_reads()
    {
        int compared = 0;
        foreach (string name in tables.Names.Where(name => File.Exists(Path.Combine(tables.Folder, name + ".csv"))))
        {
            bool[] hasFloat = FloatColumns(name);
            List<List<string?>> expected = CsvRecords.Parse(File.ReadAllText(Path.Combine(tables.Folder, name + ".csv")));
            using var file = new LocalFile(tables.Parquet(name));
            List<List<string?>> actual = CsvRecords.Parse(Table.Read(file, csv: true));
            Assert.True(expected.Count == actual.Count, $"{actual.Count} records, not {expected.Count}: {tables.Describe(name)}");
            for (int row = 0; row < actual.Count; row++)
            {
                for (int column = 0; column < actual[row].Count; column++)
                {
                    string? ours = actual[row][column], theirs = expected[row][column];
                    bool same = ours == theirs || (row > 0 && ours is not null && theirs is not null && (hasFloat[column] ? SameFloat(ours, theirs) : SameDecimal(ours, theirs)));
                    Assert.True(same, $"row {row}, column {column}: {ours}, not {theirs}; {tables.Describe(name)}");
                }
                Assert.Equal(expected[row].Count, actual[row].Count);
            }
            compared++;
        }
        Assert.True(compared > 0, $"no flat table among those of TABULAR_SEED={tables.Seed}");
    }

    [Fact]
    public void Batches_buffers_and_skips_do_not_change_rows()
    {
        var random = new Random(tables.Seed);
        foreach (string name in tables.Names)
        {
            string[] whole = Table.JsonLines(tables.Parquet(name));
            using var file = new LocalFile(tables.Parquet(name));
            var options = new ParquetReadOptions { BatchRows = random.Next(1, 300), ReadAhead = 1 << random.Next(12, 20) };
            ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file, options));
            RowSchema schema = parquet.Project();
            using RowFormatter formatter = RowFormatter.JsonLines(schema, Table.LikeDuckDb);
            using var output = new RowOutput();
            foreach (RowGroup group in parquet.Metadata.RowGroups)
            {
                using RowGroupReader reader = parquet.OpenRowGroup(group.Index, schema);
                long row = group.FirstRow;
                while (reader.RowsLeft > 0)
                {
                    long skipped = random.Next(3) == 0 ? random.NextInt64(reader.RowsLeft + 1) : 0;
                    Table.Done(reader.SkipAsync(skipped));
                    row += skipped;
                    if (Table.Done(reader.ReadAsync()) is not { } batch) break;
                    while (batch.NextRow < batch.RowCount)
                    {
                        output.Clear();
                        int written = formatter.Write(batch, output, softLimit: random.Next(1, 5000));
                        Assert.Equal(written, output.RowEnds.Count);
                        int start = 0;
                        foreach (int end in output.RowEnds)
                        {
                            string text = Encoding.UTF8.GetString(output.Written.Span[start..(end - 1)]);
                            Assert.True(text == whole[row], $"row {row} after a skip: {text}, not {whole[row]}; {tables.Describe(name)}");
                            start = end;
                            row++;
                        }
                        Assert.Equal(start, output.Length);
                    }
                }
                Assert.Null(Table.Done(reader.ReadAsync()));
                Assert.Equal(group.FirstRow + group.RowCount, row);
            }
        }
    }

    [Fact]
    public void Columns_are_read_in_the_order_asked_for()
    {
        foreach (string name in tables.Names.Take(10))
        {
            using var file = new LocalFile(tables.Parquet(name));
            string[] all = [.. Table.Done(ParquetFile.OpenAsync(file)).Project().Names];
            string[] chosen = [.. all.Reverse().Where((_, i) => i % 2 == 0)];
            string[] rows = Table.Lines(Table.Read(file, columns: chosen));
            string[] whole = Table.JsonLines(tables.Parquet(name));
            for (int row = 0; row < rows.Length; row++)
            {
                var part = (JsonTree.Object)JsonTree.Parse(rows[row]);
                Dictionary<string, JsonTree> fields = ((JsonTree.Object)JsonTree.Parse(whole[row])).Fields.ToDictionary(f => f.Key, f => f.Value);
                Assert.Equal(chosen, part.Fields.Select(f => f.Key));
                foreach ((string key, JsonTree value) in part.Fields) Assert.Null(JsonTree.Difference(value, fields[key], hasFloat: false));
            }
        }
    }

    [Fact]
    public void Footers_count_the_nulls_of_flat_columns()
    {
        foreach (string name in tables.Names)
        {
            using var file = new LocalFile(tables.Parquet(name));
            ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file));
            string[] rows = Table.JsonLines(tables.Parquet(name));
            foreach (RowGroup group in parquet.Metadata.RowGroups)
            {
                foreach (ColumnChunk chunk in group.Columns.Where(c => c.Column.Parent!.Parent is null && c.Statistics?.NullCount is not null))
                {
                    int nulls = rows.Skip((int)group.FirstRow).Take((int)group.RowCount)
                        .Count(row => ((JsonTree.Object)JsonTree.Parse(row)).Fields.Single(f => f.Key == chunk.Column.Name).Value == new JsonTree.Word("null"));
                    Assert.True(nulls == chunk.Statistics!.NullCount, $"{chunk.Column.Path}: {nulls} nulls, not {chunk.Statistics.NullCount}; {tables.Describe(name)}");
                }
            }
        }
    }

    [Fact]
    public void Bounds_in_footers_are_values_of_the_rows()
    {
        int checkedBounds = 0;
        foreach (string name in tables.Names)
        {
            using var file = new LocalFile(tables.Parquet(name));
            ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file));
            string[] rows = Table.JsonLines(tables.Parquet(name));
            foreach (RowGroup group in parquet.Metadata.RowGroups)
            {
                // Bounds of bytes may be cut, and those of floating point may be zeros of the other sign.
                foreach (ColumnChunk chunk in group.Columns.Where(c => c.Column.Parent!.Parent is null
                    && c.Column.Physical is PhysicalType.Int32 or PhysicalType.Int64 or PhysicalType.Boolean))
                {
                    HashSet<string> values = [.. rows.Skip((int)group.FirstRow).Take((int)group.RowCount)
                        .Select(row => $"{((JsonTree.Object)JsonTree.Parse(row)).Fields.Single(f => f.Key == chunk.Column.Name).Value}")];
                    foreach (string bound in new[] { BoundText.Min(chunk, Table.LikeDuckDb), BoundText.Max(chunk, Table.LikeDuckDb) }.OfType<string>())
                    {
                        Assert.True(values.Contains($"{JsonTree.Parse(bound)}"), $"{chunk.Column}: bound {bound} is no value; {tables.Describe(name)}");
                        checkedBounds++;
                    }
                }
            }
        }
        Assert.True(checkedBounds > 0, $"no bounds in the tables of TABULAR_SEED={tables.Seed}");
    }

    /// <summary>DuckDB writes no 0 before the point of a decimal without whole digits.</summary>
    static bool SameDecimal(string ours, string theirs) =>
        ours.StartsWith("0.", StringComparison.Ordinal) ? ours[1..] == theirs : ours.StartsWith("-0.", StringComparison.Ordinal) && "-" + ours[2..] == theirs;

    static bool SameFloat(string ours, string theirs) => ours switch
    {
        "NaN" => theirs == "nan",
        "Infinity" => theirs == "inf",
        "-Infinity" => theirs == "-inf",
        _ => ((float)double.Parse(ours, CultureInfo.InvariantCulture)).Equals((float)double.Parse(theirs, CultureInfo.InvariantCulture))
            && (double.Parse(ours, CultureInfo.InvariantCulture).Equals(double.Parse(theirs, CultureInfo.InvariantCulture)) || ours.Length < 16),
    };

    /// <summary>Which top-level fields have floating point somewhere: only there may digits differ.</summary>
    bool[] FloatColumns(string name)
    {
        using var file = new LocalFile(tables.Parquet(name));
        return [.. Table.Done(ParquetFile.OpenAsync(file)).Metadata.Root.Children.Select(HasFloat)];
    }

    static bool HasFloat(SchemaNode node) => node.Physical is PhysicalType.Float or PhysicalType.Double || node.Children.Any(HasFloat);
}
