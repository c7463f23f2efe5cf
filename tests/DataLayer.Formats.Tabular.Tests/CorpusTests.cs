using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>
/// The public corpus of Parquet files: all that are meant to be readable are read, and the others are refused for the
/// reason that they are there for.
/// </summary>
[Trait("Length", "long")]
public sealed class CorpusTests(ITestOutputHelper log)
{
    // Everything that is not read, and what is said of it.
    static readonly Dictionary<string, TabularFault> Refused = new()
    {
        ["bad_data/ARROW-GH-41317.parquet"] = TabularFault.Corrupt,
        ["bad_data/ARROW-GH-41321.parquet"] = TabularFault.Corrupt,
        ["bad_data/ARROW-GH-45185.parquet"] = TabularFault.Corrupt,
        ["bad_data/ARROW-GH-47662.parquet"] = TabularFault.Corrupt,
        ["bad_data/ARROW-RS-GH-6229-DICTHEADER.parquet"] = TabularFault.Corrupt,
        ["bad_data/ARROW-RS-GH-6229-LEVELS.parquet"] = TabularFault.Corrupt,
        ["bad_data/PARQUET-1481.parquet"] = TabularFault.Corrupt,
        ["data/datapage_v1-corrupt-checksum.parquet"] = TabularFault.Corrupt,
        ["data/rle-dict-uncompressed-corrupt-checksum.parquet"] = TabularFault.Corrupt,
    };

    [CorpusFact]
    public void Every_file_of_the_corpus_is_read_or_refused_as_it_should_be()
    {
        string corpus = CorpusFactAttribute.Folder!;
        int passed = 0;
        Dictionary<string, int> refusals = [];
        List<string> wrong = [];
        foreach (string path in Directory.EnumerateFiles(corpus, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string name = Path.GetRelativePath(corpus, path);
            bool encrypted = name.EndsWith(".parquet.encrypted", StringComparison.Ordinal);
            if (!encrypted && !name.EndsWith(".parquet", StringComparison.Ordinal)) continue;
            TabularFault? expected = encrypted ? TabularFault.Encrypted : Refused.TryGetValue(name, out TabularFault fault) ? fault : null;
            TabularFault? actual = null;
            string said = "rows";
            try
            {
                log.WriteLine($"{name}: {Rows(path)} rows");
                passed++;
            }
            catch (TabularException e)
            {
                actual = e.Fault;
                said = e.Message;
                refusals[$"{e.Fault}"] = refusals.GetValueOrDefault($"{e.Fault}") + 1;
                log.WriteLine($"{name}: {e.Fault}: {e.Message}");
            }
            if (actual != expected) wrong.Add($"{name}: {said}");
        }
        log.WriteLine($"{passed} files passed; refused: {string.Join(", ", refusals.Select(r => $"{r.Value} {r.Key}"))}");
        Assert.Empty(wrong);
        Assert.True(passed > 150, $"only {passed} files: is {corpus} a checkout of apache/parquet-testing?");
    }

    [CorpusFact]
    public void Delta_files_have_the_values_that_stand_beside_them()
    {
        foreach (string name in (string[])["delta_binary_packed", "delta_byte_array", "delta_encoding_required_column", "delta_encoding_optional_column"])
        {
            string folder = Path.Combine(CorpusFactAttribute.Folder!, "data");
            List<List<string?>> expected = CsvRecords.Parse(File.ReadAllText(Path.Combine(folder, name + "_expect.csv")));
            using var file = new LocalFile(Path.Combine(folder, name + ".parquet"));
            List<List<string?>> actual = CsvRecords.Parse(Table.Read(file, csv: true));
            Assert.Equal(expected.Count, actual.Count);
            for (int row = 1; row < actual.Count; row++)
            {
                for (int column = 0; column < actual[row].Count; column++)
                {
                    string? theirs = expected[row][column];
                    // The expectations were written with nulls as empty strings or words.
                    Assert.True(actual[row][column] == theirs || (actual[row][column] is null && theirs is "" or "null" or "NULL"), $"{name}, row {row}, column {column}: {actual[row][column]}, not {theirs}");
                }
            }
        }
    }

    [CorpusFact]
    public void Byte_stream_split_columns_equal_their_plain_twins()
    {
        using var file = new LocalFile(Path.Combine(CorpusFactAttribute.Folder!, "data", "byte_stream_split_extended.gzip.parquet"));
        foreach (string line in Table.Lines(Table.Read(file)))
        {
            Dictionary<string, JsonTree> row = ((JsonTree.Object)JsonTree.Parse(line)).Fields.ToDictionary(f => f.Key, f => f.Value);
            string[] plain = [.. row.Keys.Where(key => key.EndsWith("_plain", StringComparison.Ordinal))];
            Assert.Equal(7, plain.Length);
            foreach (string key in plain) Assert.Equal(row[key], row[key.Replace("_plain", "_byte_stream_split", StringComparison.Ordinal)]);
        }
    }

    [CorpusFact]
    public void Rows_are_those_that_DuckDB_reads()
    {
        string corpus = CorpusFactAttribute.Folder!;
        string folder = Directory.CreateTempSubdirectory("dl-tabular-").FullName;
        try
        {
            log.WriteLine(DuckDbTables.Run("read.mjs", corpus, folder));
            int compared = 0;
            foreach (string path in Directory.EnumerateFiles(corpus, "*.parquet", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                string name = Path.GetRelativePath(corpus, path);
                string expected = Path.Combine(folder, name.Replace('/', '_') + ".jsonl");
                if (!File.Exists(expected) || Refused.ContainsKey(name) || DuckDbDiffers(name)) continue;
                string[] ours = Table.JsonLines(path), theirs = File.ReadAllLines(expected);
                Assert.True(ours.Length == theirs.Length, $"{name}: {ours.Length} rows, not {theirs.Length}");
                for (int row = 0; row < ours.Length; row++)
                {
                    string? difference = JsonTree.Difference(JsonTree.Parse(ours[row]), JsonTree.Parse(theirs[row]), hasFloat: true);
                    Assert.True(difference is null, $"{name}, row {row}: {difference}");
                }
                compared++;
            }
            log.WriteLine($"{compared} files have the same rows");
            Assert.True(compared > 50, $"only {compared} files were compared");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// DuckDB turns geometries into text and variants into JSON, where we show what is stored, and does not wrap Spark's
    /// year 290000 back.
    /// </summary>
    static bool DuckDbDiffers(string name) =>
        name.StartsWith("data/geospatial/", StringComparison.Ordinal)
        || name.StartsWith("shredded_variant/", StringComparison.Ordinal)
        || name == "data/int96_from_spark.parquet";

    static long Rows(string path)
    {
        using var file = new LocalFile(path);
        // large_string_map has a string of 1 GiB.
        ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file, new ParquetReadOptions { MemoryLimit = 8L << 30 }));
        RowSchema schema = parquet.Project();
        using RowFormatter formatter = RowFormatter.JsonLines(schema, Table.LikeDuckDb);
        using var output = new RowOutput(int.MaxValue);
        long rows = 0;
        for (int group = 0; group < parquet.Metadata.RowGroups.Count; group++)
        {
            using RowGroupReader reader = parquet.OpenRowGroup(group, schema);
            while (Table.Done(reader.ReadAsync()) is { } batch)
            {
                while (batch.NextRow < batch.RowCount)
                {
                    rows += formatter.Write(batch, output);
                    output.Clear();
                }
            }
        }
        Assert.Equal(parquet.Metadata.RowCount, rows);
        return rows;
    }
}
