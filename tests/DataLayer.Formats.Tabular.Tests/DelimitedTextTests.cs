using System.IO.Compression;
using System.Text;
using DataLayer.Formats.Tabular.Rows;
using DataLayer.Formats.Tabular.Text;
using Xunit;

namespace DataLayer.Formats.Tabular.Tests;

public sealed class DelimitedTextTests
{
    static readonly DelimitedTextOptions Quoted = DelimitedTextOptions.Csv with { UseQuotes = true };

    [Fact]
    public void Tabs_separate_fields_and_empty_ones_are_null() =>
        AssertRows("a\tb\n\tx y\nlast\t", DelimitedTextOptions.Tsv, "{\"c0\":\"a\",\"c1\":\"b\"}", "{\"c0\":null,\"c1\":\"x y\"}", "{\"c0\":\"last\",\"c1\":null}");

    [Fact]
    public void The_null_indicator_is_compared_with_whole_unquoted_fields() =>
        AssertRows("\\N,\n\\Nx,\"\\N\"\n", Quoted with { NullIndicator = "\\N" }, "{\"c0\":null,\"c1\":\"\"}", "{\"c0\":\"\\\\Nx\",\"c1\":\"\\\\N\"}");

    [Fact]
    public void Quotes_hold_delimiters_line_breaks_and_doubled_quotes() =>
        AssertRows("\"a,b\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",\"\"\n", Quoted, "{\"c0\":\"a,b\",\"c1\":\"say \\\"hi\\\"\"}", "{\"c0\":\"two\\nlines\",\"c1\":\"\"}");

    [Fact]
    public void Quotes_are_ordinary_characters_unless_they_are_asked_for() =>
        AssertRows("\"a\",b\"\n", DelimitedTextOptions.Csv, "{\"c0\":\"\\\"a\\\"\",\"c1\":\"b\\\"\"}");

    [Fact]
    public void Header_lines_and_empty_lines_are_passed_over() =>
        AssertRows("h1,h2\n\n1,2\r\n\r\n3,4", DelimitedTextOptions.Csv with { HeaderLines = 1 }, "{\"c0\":\"1\",\"c1\":\"2\"}", "{\"c0\":\"3\",\"c1\":\"4\"}");

    [Fact]
    public void Another_number_of_fields_is_an_error_that_names_the_line_or_is_made_up_for()
    {
        TabularException error = Assert.Throws<TabularException>(() => Read("a,b\nc\n", DelimitedTextOptions.Csv));
        Assert.Equal(4, error.Offset);
        AssertRows("a\nb,c,d\n", DelimitedTextOptions.Csv with { TolerateMismatch = true }, "{\"c0\":\"a\",\"c1\":null}", "{\"c0\":\"b\",\"c1\":\"c\"}");
    }

    [Fact]
    public void Quotes_that_do_not_close_and_rows_without_end_are_errors()
    {
        Assert.Equal(TabularFault.Corrupt, Assert.Throws<TabularException>(() => Read("a,\"b\nc,d\n", Quoted)).Fault);
        Assert.Equal(TabularFault.Corrupt, Assert.Throws<TabularException>(() => Read("a,\"b\"c\n", Quoted)).Fault);
        string endless = "a,\"" + new string('x', 3 << 20);
        Assert.Equal(TabularFault.MemoryLimit, Assert.Throws<TabularException>(() => Read(endless, Quoted with { LongestRow = 1 << 20 })).Fault);
    }

    [Fact]
    public void Random_tables_survive_quoting_in_pieces_of_any_size_and_gzip()
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        string?[][] rows = [.. Enumerable.Range(0, 20_000).Select(_ => (string?[])[Field(random), Field(random)])];
        string text = string.Concat(rows.Select(row => string.Join(',', row.Select(Quote)) + (random.Next(2) == 0 ? "\n" : "\r\n")));
        DelimitedTextOptions options = Quoted with { NullIndicator = "NULL", IgnoreEmptyLines = false };
        foreach (bool compressed in (bool[])[false, true])
        {
            string[] lines = Read(text, options, compressed);
            Assert.True(rows.Length == lines.Length, $"{lines.Length} rows of seed {seed}");
            for (int i = 0; i < rows.Length; i++)
            {
                var fields = ((JsonTree.Object)JsonTree.Parse(lines[i])).Fields;
                string?[] values = [.. fields.Select(f => (f.Value as JsonTree.Characters)?.Value)];
                Assert.True(rows[i].SequenceEqual(values), $"row {i} of seed {seed}: {lines[i]}");
            }
        }

        static string? Field(Random random) => random.Next(6) == 0 ? null : string.Concat(Enumerable.Range(0, random.Next(30)).Select(_ => "ab,\"\n\rü\\"[random.Next(8)]));
        static string Quote(string? field) => field is null ? "NULL" : "\"" + field.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"";
    }

    [Fact]
    public void Gzip_that_is_cut_off_or_damaged_is_an_error()
    {
        byte[] gzip = Gzip(string.Concat(Enumerable.Range(0, 10_000).Select(i => $"{i},{i * 7919 % 10007}\n")));
        gzip[gzip.Length / 2] ^= 0x55;
        Assert.Equal(TabularFault.Corrupt, Assert.Throws<TabularException>(() => ReadAll(new MemoryFile("f", gzip), DelimitedTextOptions.Csv, true)).Fault);
        gzip[gzip.Length / 2] ^= 0x55;
        Assert.Equal(TabularFault.Corrupt, Assert.Throws<TabularException>(() => ReadAll(new MemoryFile("f", gzip.AsMemory(0, gzip.Length / 2)), DelimitedTextOptions.Csv, true)).Fault);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("\n\n", 0)]
    [InlineData("a", 1)]
    [InlineData("a,b,c\nd\n", 3)]
    public void Columns_can_be_counted_when_nobody_has_named_them(string text, int expected) =>
        Assert.Equal(expected, Table.Done(DelimitedTextReader.CountColumnsAsync(new MemoryFile("f", Encoding.UTF8.GetBytes(text)), false, DelimitedTextOptions.Csv)));

    [Theory]
    [InlineData("PAR1....", TableFormat.Parquet)]
    [InlineData("ORC", TableFormat.Orc)]
    [InlineData("Obj\u0001", TableFormat.Avro)]
    [InlineData("RCF\u0001", TableFormat.RcFile)]
    [InlineData("SEQ\u0006", TableFormat.SequenceFile)]
    [InlineData("SEQUENCE,1", TableFormat.DelimitedText)]
    [InlineData("\u001f\u008b\u0008", TableFormat.Gzip)]
    [InlineData("1\t2\n", TableFormat.DelimitedText)]
    [InlineData("P", TableFormat.DelimitedText)]
    [InlineData("", TableFormat.Empty)]
    public void Formats_are_recognised_by_their_first_bytes(string head, TableFormat expected) =>
        Assert.Equal(expected, Table.Done(TableFormatDetection.DetectAsync(new MemoryFile("f", Encoding.Latin1.GetBytes(head)))));

    static void AssertRows(string text, DelimitedTextOptions options, params string[] expected) => Assert.Equal(expected, Read(text, options));

    static string[] Read(string text, DelimitedTextOptions options, bool compressed = false) =>
        ReadAll(new MemoryFile("f", compressed ? Gzip(text) : Encoding.UTF8.GetBytes(text)), options, compressed);

    static string[] ReadAll(MemoryFile file, DelimitedTextOptions options, bool compressed)
    {
        using var reader = new DelimitedTextReader(file, ["c0", "c1"], compressed, options);
        using RowFormatter formatter = RowFormatter.JsonLines(reader.Schema);
        using var output = new RowOutput();
        while (Table.Done(reader.ReadAsync()) is { } batch)
        {
            while (batch.NextRow < batch.RowCount) formatter.Write(batch, output, softLimit: int.MaxValue);
        }
        return Table.Lines(Encoding.UTF8.GetString(output.Written.Span));
    }

    static byte[] Gzip(string text)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Fastest)) gzip.Write(Encoding.UTF8.GetBytes(text));
        return stream.ToArray();
    }
}
