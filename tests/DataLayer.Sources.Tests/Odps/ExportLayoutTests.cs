using System.Text.Json;
using DataLayer.Formats;

namespace DataLayer.Sources.Tests.Odps;

/// <summary>What an export's location shows, whoever wrote into it and how often.</summary>
public sealed class ExportLayoutTests(ExportedTables tables) : IClassFixture<ExportedTables>
{
    const string Earlier = "20250101000000123gabcdef12", Later = "20250613080155495g6jtxahsztv3";

    [Fact]
    public async Task Files_get_the_extension_of_what_they_are_unless_names_are_kept()
    {
        MemorySource source = new();
        source.Put("a_parquet", tables.Bytes("narrow"));
        source.Put("b_orc", "ORC and more");
        source.Put("c_avro", "Obj\u0001more");
        source.Put("d_text", "1\t2\n");
        source.Put("e_gzip", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        source.Put("f.tsv", "1\t2\n");
        source.Put("g", "x\n");
        source.Put("g.txt", "y\n");
        source.Put("h_seq", "SEQ\u0006more");
        await using OpenExport export = await OpenExport.ListAsync(source);
        Assert.Equal(["a_parquet.parquet", "b_orc.orc", "c_avro.avro", "d_text.txt", "e_gzip.txt.gz", "f.tsv", "g", "g.txt", "h_seq.seq"], export.Files);
        Assert.Equal(tables.Bytes("narrow"), await export.ReadAsync("a_parquet.parquet"));
        Assert.Equal("x\n", await export.TextAsync("g"));
        await using OpenExport kept = await OpenExport.ListAsync(source, new OdpsOptions { KeepNames = true });
        Assert.Contains("a_parquet", kept.Files);
        Assert.Equal(tables.Bytes("narrow"), await kept.ReadAsync("a_parquet"));
    }

    [Fact]
    public async Task Markers_working_files_and_empty_files_are_not_shown()
    {
        MemorySource source = new();
        source.Put("data.tsv", "1\n");
        foreach (string name in (string[])["_SUCCESS", ".hive-staging_hive_2024/x", ".hive_staging/y", "ds=1_$folder$", "_temporary/0/z", "empty"])
            source.Put(name, name == "empty" ? "" : "x");
        await using OpenExport export = await OpenExport.ListAsync(source);
        Assert.Equal(["data.tsv"], export.Files);
        Assert.Equal(6, (await export.StatsAsync()).GetProperty("filesIgnored").GetInt32());
    }

    MemorySource TwoExports()
    {
        MemorySource source = new();
        source.Put(ExportedTables.Name(0, Earlier), tables.Bytes("narrow"));
        source.Put(ExportedTables.Name(0, Later), tables.Bytes("wider"));
        source.Put(ExportedTables.Name(1, Later), tables.Bytes("wider"));
        return source;
    }

    [Fact]
    public async Task Overlapping_exports_are_shown_but_have_no_rows_until_one_chooses()
    {
        List<string> told = [];
        await using OpenExport export = await OpenExport.ListAsync(TwoExports(), notify: told.Add);
        Assert.Equal(3, export.Files.Length);
        Assert.False(export.Has(".table/rows.jsonl"));
        JsonElement stats = await export.StatsAsync();
        Assert.Contains("--export latest", stats.GetProperty("rowsAbsent").GetString());
        Assert.Equal([Earlier, Later], stats.GetProperty("exports").EnumerateArray().Select(job => job.GetProperty("job").GetString()));
        Assert.Contains(told, notice => notice.Contains("2 exports overlap") && notice.Contains(Earlier));
    }

    [Theory]
    [InlineData("latest", 2, 20)]
    [InlineData("all", 3, 23)]
    [InlineData("20250101", 1, 3)]
    [InlineData(Later, 2, 20)]
    public async Task A_choice_among_exports_decides_files_and_rows(string choice, int files, int rows)
    {
        await using OpenExport export = await OpenExport.ListAsync(TwoExports(), new OdpsOptions { Rows = RowViews.All, Export = choice });
        Assert.Equal(files, export.Files.Length);
        Assert.Equal(rows, (await export.RowsAsync()).Length);
        Assert.Equal(3 - files, (await export.StatsAsync()).GetProperty("filesOfOtherExports").GetInt32());
    }

    [Fact]
    public async Task A_choice_that_nothing_matches_names_the_exports_there_are()
    {
        SourceException fault = await Assert.ThrowsAsync<SourceException>(() => OpenExport.ListAsync(TwoExports(), new OdpsOptions { Export = "1999" }));
        Assert.Contains(Earlier, fault.Message);
    }

    [Fact]
    public async Task Exports_into_different_partitions_do_not_overlap_and_the_latest_is_per_directory()
    {
        MemorySource source = new();
        source.Put($"ds=1/{ExportedTables.Name(0, Earlier)}", tables.Bytes("narrow"));
        source.Put($"ds=2/{ExportedTables.Name(0, Later)}", tables.Bytes("narrow"));
        await using OpenExport export = await OpenExport.ListAsync(source);
        Assert.Equal(6, (await export.RowsAsync()).Length);
        source.Put("ds=2/M1_0_0-0_TableSink1-0-.tsv", "1\n");
        source.Put("ds=2/readme.tsv", "1\n");
        await using OpenExport latest = await OpenExport.ListAsync(source, new OdpsOptions { Rows = RowViews.All, Export = "latest" });
        // The export of the older kind has no time and counts as earlier; a name that no exporter gives is no export.
        Assert.Equal([$"ds=1/{ExportedTables.Name(0, Earlier)}.parquet", $"ds=2/{ExportedTables.Name(0, Later)}.parquet", "ds=2/readme.tsv"], latest.Files);
    }

    [Fact]
    public async Task A_meta_file_that_names_committed_jobs_is_honoured()
    {
        MemorySource source = new();
        source.Put(".odps/.meta", "{\"dirs\": [\"20170601181436258gi2qlv2\",\n \"20170602204058685g2p81ss\"]}");
        source.Put(".odps/20170601181436258gi2qlv2/M1_0_0-0.tsv", "1\tone\n");
        source.Put(".odps/20170602204058685g2p81ss/M1_0_0-0.tsv", "2\ttwo\n");
        source.Put(".odps/20170603000000000gfailed00/M1_0_0-0.tsv", "3\tnever committed\n");
        await using OpenExport export = await OpenExport.ListAsync(source);
        Assert.Equal([".odps/20170601181436258gi2qlv2/M1_0_0-0.tsv", ".odps/20170602204058685g2p81ss/M1_0_0-0.tsv"], export.Files);
        Assert.Equal(["{\"_c0\":\"1\",\"_c1\":\"one\"}", "{\"_c0\":\"2\",\"_c1\":\"two\"}"], await export.RowsAsync());
        Assert.Contains("never committed", (await export.StatsAsync()).GetProperty("notices")[0].GetString());
    }

    [Theory]
    [InlineData("not JSON")]
    [InlineData("{\"dirs\": [1]}")]
    [InlineData("{\"dirs\": [\"../other\"]}")]
    [InlineData("[]")]
    [InlineData(null)]
    public async Task A_meta_file_that_is_not_understood_or_missing_hides_its_folder_and_says_so(string? meta)
    {
        MemorySource source = new();
        if (meta is not null) source.Put("t/.odps/.meta", meta);
        source.Put("t/.odps/20170601181436258gi2qlv2/M1_0_0-0.tsv", "1\n");
        source.Put("t/plain.tsv", "2\n");
        await using OpenExport export = await OpenExport.ListAsync(source);
        Assert.Equal(["t/plain.tsv"], export.Files);
        Assert.Contains("t/.odps is hidden".Replace("t/.odps is", meta is null ? "t/.odps has" : "t/.odps is")[..9], (await export.StatsAsync()).GetProperty("notices")[0].GetString());
    }

    [Fact]
    public async Task Schema_and_statistics_tell_types_nulls_and_bounds()
    {
        MemorySource source = new();
        source.Put(ExportedTables.Name(0), tables.Bytes("flat-0"));
        source.Put(ExportedTables.Name(1), tables.Bytes("flat-1"));
        await using OpenExport export = await OpenExport.ListAsync(source, new OdpsOptions());
        Assert.False(export.Has(".table/rows.jsonl"));
        JsonElement[] columns = [.. (await export.JsonAsync(".table/schema.json")).GetProperty("columns").EnumerateArray()];
        Assert.Equal(["BIGINT", "STRING", "DECIMAL(18,2)", "DATE", "INT", "ARRAY<BIGINT>", "STRUCT<a:BIGINT,b:STRING>", "BOOLEAN", "STRING"], columns.Select(column => column.GetProperty("type").GetString()));
        Assert.Equal("INT64 (Decimal(18,2))", columns[2].GetProperty("parquet").GetString());
        JsonElement stats = await export.StatsAsync();
        Assert.Equal(31000, stats.GetProperty("rows").GetInt64());
        JsonElement score = stats.GetProperty("columns").GetProperty("score");
        Assert.Equal((10334, 0, 99), (score.GetProperty("nulls").GetInt64(), score.GetProperty("min").GetInt32(), score.GetProperty("max").GetInt32()));
        JsonElement day = stats.GetProperty("columns").GetProperty("day");
        Assert.Equal(("2024-01-01", "2025-02-03"), (day.GetProperty("min").GetString(), day.GetProperty("max").GetString()));
        Assert.Equal("38748.75", stats.GetProperty("columns").GetProperty("price").GetProperty("max").GetRawText());
    }
}
