using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using DataLayer.Formats;
using DataLayer.TestKit;

namespace DataLayer.Sources.Tests.Odps;

/// <summary>Row views: the same rows as DuckDB reads, at any offset, made from no more than they need.</summary>
public sealed class RowViewTests(ExportedTables tables) : IClassFixture<ExportedTables>, IDisposable
{
    readonly ScratchDirectory scratch = new();

    MemorySource Flat()
    {
        MemorySource source = new();
        source.Put(ExportedTables.Name(0), tables.Bytes("flat-0"));
        source.Put(ExportedTables.Name(1), tables.Bytes("flat-1"));
        return source;
    }

    [Fact]
    public async Task Rows_of_all_files_are_those_that_DuckDB_reads()
    {
        await using OpenExport export = await OpenExport.ListAsync(Flat());
        AssertSame(tables.Text("flat.jsonl"), await export.TextAsync(".table/rows.jsonl"));
        string parts = "";
        foreach (string part in export.Entries.Keys.Where(name => name.StartsWith(".table/part-", StringComparison.Ordinal)).Order()) parts += await export.TextAsync(part);
        AssertSame(tables.Text("flat.jsonl"), parts);
        await using OpenExport flat = await OpenExport.ListAsync(Flat(), new OdpsOptions { Rows = RowViews.Csv, Columns = ["id", "name", "price", "day", "score", "even", "wide"] });
        AssertSame(tables.Text("flat.csv"), await flat.TextAsync(".table/rows.csv"));
        Assert.False(flat.Has(".table/rows.jsonl"));
    }

    static void AssertSame(string expected, string actual)
    {
        string[] theirs = expected.Split('\n'), ours = actual.Split('\n');
        for (int i = 0; i < Math.Min(theirs.Length, ours.Length); i++) Assert.Equal(theirs[i], ours[i]);
        Assert.Equal(expected.Length, actual.Length);
    }

    [Fact]
    public async Task Random_ranges_read_at_once_equal_the_whole()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        await using OpenExport export = await OpenExport.ListAsync(Flat());
        foreach (string view in (string[])[".table/rows.jsonl", ".table/rows.csv"])
        {
            byte[] whole = await export.ReadAsync(view);
            (int Offset, int Length)[] ranges = [.. Enumerable.Range(0, 60).Select(i =>
            {
                int offset = random.Next(whole.Length);
                // Some follow one another, as a reader's do.
                return (offset, Math.Min(whole.Length - offset, random.Next(3) == 0 ? random.Next(1, 700_000) : random.Next(1, 5000)));
            })];
            await Parallel.ForEachAsync(ranges, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (range, _) =>
            {
                byte[] piece = await TestSources.ReadAsync(export.Source, export.Entries[view], range.Offset, range.Length);
                Assert.True(piece.AsSpan().SequenceEqual(whole.AsSpan(range.Offset, range.Length)), $"{view} {range} of seed {seed}");
            });
        }
    }

    [Fact]
    public async Task Reading_a_view_from_end_to_end_fetches_about_as_much_as_decoding_once()
    {
        MemorySource source = Flat();
        await using OpenExport export = await OpenExport.ListAsync(source, null, null, scratch.Path);
        long files = source.Get(ExportedTables.Name(0)).Length + source.Get(ExportedTables.Name(1)).Length;
        source.Reads.Clear();
        await export.ReadAsync(".table/rows.jsonl");
        // The footers once more, and nothing twice.
        Assert.InRange(source.BytesRead, files / 2, files + 2 * (64 << 10) + files / 20);
    }

    [Fact]
    public async Task Any_row_is_found_by_the_index()
    {
        await using OpenExport export = await OpenExport.ListAsync(Flat());
        string[] rows = await export.RowsAsync();
        Assert.Equal(31000, rows.Length);
        foreach (string view in (string[])[".table/rows.jsonl", ".table/rows.csv"])
        {
            byte[] index = await export.ReadAsync(view + ".index");
            byte[] whole = await export.ReadAsync(view);
            (long Row, long Offset)[] pairs = [.. Enumerable.Range(0, index.Length / 16).Select(i =>
                (BinaryPrimitives.ReadInt64LittleEndian(index.AsSpan(16 * i)), BinaryPrimitives.ReadInt64LittleEndian(index.AsSpan(16 * i + 8))))];
            Assert.Equal((31000, whole.Length), pairs[^1]);
            Assert.Equal(0, pairs[0].Row);
            for (int i = 1; i < pairs.Length; i++) Assert.InRange(pairs[i].Row - pairs[i - 1].Row, 1, 1024);
            foreach ((long row, long offset) in pairs.SkipLast(1))
            {
                string line = Encoding.UTF8.GetString(whole.AsSpan((int)offset, Math.Min(30, whole.Length - (int)offset)));
                Assert.StartsWith(view.EndsWith("csv", StringComparison.Ordinal) ? $"{row}," : $"{{\"id\":{row},", line);
            }
        }
    }

    [Fact]
    public async Task Parts_hold_all_rows_once_and_begin_at_rows()
    {
        await using OpenExport export = await OpenExport.ListAsync(Flat(), new OdpsOptions { Rows = RowViews.All, Parts = 7 });
        string whole = await export.TextAsync(".table/rows.jsonl"), joined = "";
        JsonElement views = (await export.StatsAsync()).GetProperty("views");
        for (int i = 0; i < 7; i++)
        {
            string name = $"part-{i:00000}-of-00007.jsonl", part = await export.TextAsync($".table/{name}");
            Assert.InRange(part.Length, whole.Length / 7 - 300_000, whole.Length / 7 + 300_000);
            Assert.Equal(part.Split('\n').Length - 1, views.GetProperty(name).GetProperty("rows").GetInt64());
            joined += part;
        }
        Assert.Equal(whole, joined);
        // More parts than the rows can fill: the last are empty files.
        MemorySource small = new();
        small.Put("a.tsv", "1\n2\n3\n");
        await using OpenExport few = await OpenExport.ListAsync(small, new OdpsOptions { Rows = RowViews.Parts, Parts = 3 });
        Assert.Equal([0, 0, 36], few.Entries.Values.Where(entry => TestSources.Text(entry.Key).Contains("part")).Select(entry => entry.Size).Order());
    }

    [Fact]
    public async Task Only_the_chunks_of_the_columns_asked_for_are_fetched()
    {
        MemorySource source = new();
        source.Put(ExportedTables.Name(0), tables.Bytes("columns"));
        await using OpenExport export = await OpenExport.ListAsync(source, new OdpsOptions { Rows = RowViews.JsonLines, Columns = ["b", "a"] }, null, scratch.Path);
        long size = source.Get(ExportedTables.Name(0)).Length, listing = source.BytesRead;
        // The chunks of a and b are a small part of the file; heads, footers and read-ahead beyond a chunk's end come with them.
        Assert.True(listing < size / 2, $"listing read {listing} of {size} bytes");
        source.Reads.Clear();
        string[] rows = await export.RowsAsync();
        Assert.Equal(200_000, rows.Length);
        Assert.Equal("{\"b\":246912,\"a\":123456}", rows[123456]);
        Assert.True(source.BytesRead < size / 2, $"the view read {source.BytesRead} of {size} bytes");
    }

    [Fact]
    public async Task Partitions_are_columns_and_where_chooses_among_them()
    {
        MemorySource source = new();
        foreach (string day in (string[])["20240101", "20240102", "20240103"])
        {
            foreach (string region in (string[])["eu", "us", "__HIVE_DEFAULT_PARTITION__"])
                source.Put($"ds={day}/region={region}/{ExportedTables.Name(0)}", tables.Bytes("narrow"));
        }
        await using OpenExport all = await OpenExport.ListAsync(source);
        string[] rows = await all.RowsAsync();
        Assert.Equal(27, rows.Length);
        Assert.Equal("{\"id\":0,\"ds\":\"20240101\",\"region\":null}", rows[0]);
        Assert.Equal(["ds", "region"], (await all.JsonAsync(".table/schema.json")).GetProperty("partitionColumns").EnumerateArray().Select(column => column.GetProperty("name").GetString()));

        source.Reads.Clear();
        await using OpenExport some = await OpenExport.ListAsync(source, new OdpsOptions { Rows = RowViews.All, Where = "ds>='20240102' and region in ('eu')", Columns = ["region", "id"] });
        Assert.Equal(["{\"region\":\"eu\",\"id\":0}", "{\"region\":\"eu\",\"id\":1}"], (await some.RowsAsync())[..2]);
        Assert.Equal(6, (await some.RowsAsync()).Length);
        Assert.Equal("region,id\neu,0\neu,1\neu,2\neu,0\neu,1\neu,2\n", await some.TextAsync(".table/rows.csv"));
        // The files themselves are all there.
        Assert.Equal(9, some.Files.Length);
        await using OpenExport none = await OpenExport.ListAsync(source, new OdpsOptions { Rows = RowViews.All, Where = "ds = '2023'" });
        Assert.Equal("", await none.TextAsync(".table/rows.jsonl"));
        Assert.Equal("id,ds,region\n", await none.TextAsync(".table/rows.csv"));
    }

    [Theory]
    [InlineData("hour = 3", null, "'hour' is no partition column")]
    [InlineData(null, "id,nothing", "no column 'nothing'")]
    public async Task Unknown_columns_are_refused_with_those_there_are(string? where, string? columns, string message)
    {
        MemorySource source = new();
        source.Put($"ds=1/{ExportedTables.Name(0)}", tables.Bytes("narrow"));
        SourceException fault = await Assert.ThrowsAsync<SourceException>(() => OpenExport.ListAsync(source, new OdpsOptions { Where = where, Columns = columns?.Split(',') }));
        Assert.Contains(message, fault.Message);
        Assert.Contains("ds", fault.Message);
        Assert.Equal(SourceFault.Misconfigured, fault.Fault);
    }

    [Fact]
    public async Task Files_with_other_columns_have_nulls_for_those_they_lack()
    {
        MemorySource source = new();
        source.Put(ExportedTables.Name(0), tables.Bytes("narrow"));
        source.Put(ExportedTables.Name(1), tables.Bytes("wider"));
        await using OpenExport export = await OpenExport.ListAsync(source);
        string[] rows = await export.RowsAsync();
        Assert.Equal("{\"id\":2,\"extra\":null}", rows[2]);
        Assert.Equal("{\"id\":0,\"extra\":\"b0\"}", rows[3]);
        Assert.StartsWith("id,extra\n0,\n1,\n2,\n0,b0\n", await export.TextAsync(".table/rows.csv"));
    }

    [Fact]
    public async Task Text_plain_and_gzip_has_rows_and_restarts_in_the_middle()
    {
        StringBuilder text = new();
        for (int i = 0; i < 500_000; i++) text.Append($"{i}\tvalue {(i * 7919L) % 1000003}\t{(i % 5 == 0 ? "" : "x\"y")}\n");
        byte[] plain = Encoding.UTF8.GetBytes(text.ToString());
        Assert.True(plain.Length > 9 << 20);
        MemorySource source = new();
        source.Put("M1_0_0-0_TableSink1-0-.tsv", plain);
        source.Put("M2_0_0-0_TableSink1-0-.tsv.gz", Gzip(plain));
        await using OpenExport export = await OpenExport.ListAsync(source, new OdpsOptions { Rows = RowViews.JsonLines, Text = new TextExport { Columns = ["n", "v", "s"] } }, null, scratch.Path);
        byte[] whole = await export.ReadAsync(".table/rows.jsonl");
        string[] rows = Encoding.UTF8.GetString(whole).Split('\n');
        Assert.Equal(1_000_001, rows.Length);
        Assert.Equal("{\"n\":\"0\",\"v\":\"value 0\",\"s\":null}", rows[0]);
        for (int i = 0; i < 500_000; i += 997) Assert.Equal(rows[i], rows[500_000 + i]);
        // The end of the gzip file: from a restart, not from its start.
        source.Reads.Clear();
        byte[] end = await TestSources.ReadAsync(export.Source, export.Entries[".table/rows.jsonl"], whole.Length - 5000, 5000);
        Assert.Equal(whole[^5000..], end);
        await using OpenExport fresh = await OpenExport.ListAsync(source, new OdpsOptions { Rows = RowViews.JsonLines, Text = new TextExport { Columns = ["n", "v", "s"] } }, null, scratch.Path);
        source.Reads.Clear();
        Assert.Equal(end, await TestSources.ReadAsync(fresh.Source, fresh.Entries[".table/rows.jsonl"], whole.Length - 5000, 5000));
        Assert.True(source.BytesRead < source.Get("M2_0_0-0_TableSink1-0-.tsv.gz").Length / 2, $"{source.BytesRead} bytes were read");
        Assert.Equal(1_000_000, (await fresh.StatsAsync()).GetProperty("rows").GetInt64());
    }

    static byte[] Gzip(byte[] content)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal)) gzip.Write(content);
        return packed.ToArray();
    }

    [Fact]
    public async Task Text_is_read_as_the_user_says()
    {
        MemorySource source = new();
        source.Put("x.csv", "h1,h2\n1,\"a,\"\"b\"\"\"\n2,NULL\n");
        TextExport text = new() { Quotes = true, Null = "NULL", HeaderLines = 1, Columns = ["n", "t"] };
        await using OpenExport export = await OpenExport.ListAsync(source, new OdpsOptions { Rows = RowViews.All, Columns = ["t"], Text = text });
        Assert.Equal(["{\"t\":\"a,\\\"b\\\"\"}", "{\"t\":null}"], await export.RowsAsync());
        source.Put("x.csv", "1\u00012,3\n");
        source.Delete("x.csv");
        source.Put("hive", "1\u00012,3\n");
        await using OpenExport hive = await OpenExport.ListAsync(source);
        Assert.Equal(["{\"_c0\":\"1\",\"_c1\":\"2,3\"}"], await hive.RowsAsync());
    }

    [Fact]
    public async Task What_was_indexed_is_not_decoded_again_and_a_lost_or_damaged_index_is_made_again()
    {
        MemorySource source = Flat();
        string folder = scratch.Sub("tables");
        await using OpenExport first = await OpenExport.ListAsync(source, null, null, folder);
        byte[] whole = await first.ReadAsync(".table/rows.jsonl");
        long size = source.Get(ExportedTables.Name(0)).Length + source.Get(ExportedTables.Name(1)).Length;

        source.Reads.Clear();
        await using OpenExport second = await OpenExport.ListAsync(source, null, null, folder);
        Assert.True(source.BytesRead < size / 2, $"{source.BytesRead} of {size} bytes");
        Assert.Equal(first.Entries[".table/rows.jsonl"].VersionTag, second.Entries[".table/rows.jsonl"].VersionTag);
        source.Reads.Clear();
        await second.ListAgainAsync();
        Assert.Equal(0, source.BytesRead);

        // Another process that has the manifest alone.
        foreach (string file in Directory.GetFiles(folder, "*.rows")) File.Delete(file);
        foreach (string file in Directory.GetFiles(folder, "*.table")) File.WriteAllBytes(file, [.. File.ReadAllBytes(file).Select((b, i) => i == 40 ? (byte)(b ^ 1) : b)]);
        await using Sources.Odps.OdpsSource bare = new(source, new SourceOptions { Odps = new OdpsOptions { Rows = RowViews.All }, TableFolders = [folder] });
        byte[] piece = new byte[100_000];
        await bare.ReadAsync(TestSources.File(first.Entries[".table/rows.jsonl"]), 1_000_000, piece, CancellationToken.None);
        Assert.Equal(whole[1_000_000..1_100_000], piece);
        byte[] schema = new byte[10];
        await using Sources.Odps.OdpsSource empty = new(source, new SourceOptions { Odps = new OdpsOptions { Rows = RowViews.All } });
        await empty.ReadAsync(TestSources.File(first.Entries[".table/schema.json"]), 0, schema, CancellationToken.None);
        Assert.Equal((await first.ReadAsync(".table/schema.json"))[..10], schema);
    }

    [Fact]
    public async Task A_file_that_changed_since_is_an_error_and_never_other_rows()
    {
        MemorySource source = Flat();
        await using OpenExport export = await OpenExport.ListAsync(source, null, null, scratch.Path);
        source.Put(ExportedTables.Name(1), tables.Bytes("wider"));
        long size = export.Entries[".table/rows.jsonl"].Size;
        SourceException fault = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(export.Source, export.Entries[".table/rows.jsonl"], size - 1000, 1000));
        Assert.Equal(SourceFault.Changed, fault.Fault);
        // The rows of the other file are still theirs.
        Assert.StartsWith("{\"id\":0,", Encoding.UTF8.GetString(await TestSources.ReadAsync(export.Source, export.Entries[".table/rows.jsonl"], 0, 1000)));
    }

    [Fact]
    public async Task A_fault_of_the_source_passes_and_the_next_read_goes_on()
    {
        MemorySource source = Flat();
        await using OpenExport export = await OpenExport.ListAsync(source, null, null, scratch.Path);
        byte[] whole = await export.ReadAsync(".table/rows.jsonl");
        int reads = 0;
        source.OnRead = _ =>
        {
            if (Interlocked.Increment(ref reads) is 3 or 7 or 8) throw new SourceException(SourceFault.Unavailable, "away");
        };
        int at = 0, faults = 0;
        while (at < whole.Length)
        {
            int length = Math.Min(300_000, whole.Length - at);
            try
            {
                byte[] piece = await TestSources.ReadAsync(export.Source, export.Entries[".table/rows.jsonl"], at, length);
                Assert.True(whole.AsSpan(at, length).SequenceEqual(piece), $"at {at}");
                at += length;
            }
            catch (SourceException e) when (e.IsTransient)
            {
                Assert.True(++faults < 1000);
            }
        }
        Assert.True(faults > 0);
    }

    public void Dispose() => scratch.Dispose();
}
