using System.Text;
using DataLayer.Formats.Tabular.Rows;
using DataLayer.Formats.Tabular.Text;
using Xunit;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Columns that are not in the file, rows in two formats, and text read from its middle.</summary>
public sealed class ConstantColumnTests
{
    static DelimitedTextReader Open(string text, IReadOnlyList<string> columns, IReadOnlyList<string>? read = null, long from = 0)
    {
        var file = new MemoryFile("x", Encoding.UTF8.GetBytes(text));
        return new DelimitedTextReader(file, new RandomAccessStream(file, from), columns, read, null, from);
    }

    [Fact]
    public void Constants_stand_where_they_are_put()
    {
        using DelimitedTextReader reader = Open("1\t2\n", ["a", "b"]);
        var options = new FormatOptions { Constants = [new(0, "first", "x\"y"), new(1, "null", null), new(2, "last", "p,q"), new(2, "end", "")] };
        RowBatch batch = Table.Done(reader.ReadAsync())!;
        using RowFormatter json = RowFormatter.JsonLines(reader.Schema, options), csv = RowFormatter.Csv(reader.Schema, options);
        using var output = new RowOutput();
        batch.Mark();
        json.Write(batch, output);
        Assert.Equal("{\"first\":\"x\\\"y\",\"a\":\"1\",\"null\":null,\"b\":\"2\",\"last\":\"p,q\",\"end\":\"\"}\n", Encoding.UTF8.GetString(output.Written.Span));
        output.Clear();
        batch.Return();
        csv.WriteHeader(output);
        csv.Write(batch, output);
        Assert.Equal("first,a,null,b,last,end\n\"x\"\"y\",1,,2,\"p,q\",\"\"\n", Encoding.UTF8.GetString(output.Written.Span));
    }

    [Fact]
    public void A_row_may_be_of_constants_alone()
    {
        using DelimitedTextReader reader = Open("1\n2\n", ["a"], []);
        using RowFormatter json = RowFormatter.JsonLines(reader.Schema, new FormatOptions { Constants = [new(0, "k", "v")] });
        using var output = new RowOutput();
        Assert.Equal(2, json.Write(Table.Done(reader.ReadAsync())!, output));
        Assert.Equal("{\"k\":\"v\"}\n{\"k\":\"v\"}\n", Encoding.UTF8.GetString(output.Written.Span));
    }

    [Fact]
    public void Text_goes_on_where_a_batch_ended_with_the_columns_asked_for()
    {
        string text = string.Concat(Enumerable.Range(0, 10_000).Select(i => $"{i}\tb{i}\tc{i}\n"));
        using DelimitedTextReader whole = Open(text, ["a", "b", "c"]);
        RowBatch first = Table.Done(whole.ReadAsync())!;
        using DelimitedTextReader rest = Open(text, ["a", "b", "c"], ["c", "a"], whole.NextRowOffset);
        using RowFormatter csv = RowFormatter.Csv(rest.Schema);
        using var output = new RowOutput();
        csv.Write(Table.Done(rest.ReadAsync())!, output, mostRows: 1);
        Assert.Equal($"c{first.RowCount},{first.RowCount}\n", Encoding.UTF8.GetString(output.Written.Span));
    }
}
