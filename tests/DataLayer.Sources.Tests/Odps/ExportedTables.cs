using DataLayer.TestKit;

namespace DataLayer.Sources.Tests.Odps;

/// <summary>Tables that DuckDB wrote as an export would be, and the rows that it reads from them.</summary>
public sealed class ExportedTables : IDisposable
{
    public const string Job = "20250613080155495g6jtxahsztv3";

    readonly ScratchDirectory scratch = new();

    public ExportedTables()
    {
        string flat = """
            SELECT range::BIGINT AS id,
              CASE WHEN range % 7 = 0 THEN NULL ELSE ['plain', 'with "quotes", commas', 'line' || chr(10) || 'feed', '日本語', ''][1 + range % 5] || range END AS name,
              (range * 1.25)::DECIMAL(18,2) AS price, DATE '2024-01-01' + (range % 400)::INTEGER AS day,
              CASE WHEN range % 3 = 0 THEN NULL ELSE range % 100 END::INTEGER AS score,
              [range % 5, NULL, range] AS list, {'a': range, 'b': 'x' || range} AS pair, range % 2 = 0 AS even,
              repeat('wide ', (range % 40)::INTEGER) AS wide
            FROM range(
            """;
        DuckDb.Run(
            $"COPY ({flat} 20000)) TO '{File("flat-0")}' (FORMAT parquet, ROW_GROUP_SIZE 6000, CODEC 'zstd')",
            $"COPY ({flat} 20000, 31000)) TO '{File("flat-1")}' (FORMAT parquet, ROW_GROUP_SIZE 100000, CODEC 'snappy')",
            $"COPY (SELECT * FROM read_parquet(['{File("flat-0")}', '{File("flat-1")}'])) TO '{File("flat.jsonl")}' (FORMAT json)",
            $"COPY (SELECT id, name, price, day, score, even, wide FROM read_parquet(['{File("flat-0")}', '{File("flat-1")}'])) TO '{File("flat.csv")}' (FORMAT csv, HEADER)",
            $"COPY (SELECT range AS id, 'b' || range AS extra FROM range(10)) TO '{File("wider")}' (FORMAT parquet)",
            $"COPY (SELECT range AS id FROM range(3)) TO '{File("narrow")}' (FORMAT parquet)",
            $"COPY (SELECT range AS a, hash(range)::VARCHAR AS big, md5(range::VARCHAR) AS other, range * 2 AS b FROM range(200000)) TO '{File("columns")}' (FORMAT parquet, ROW_GROUP_SIZE 50000)");
    }

    public string File(string name) => scratch.File(name);

    public byte[] Bytes(string name) => System.IO.File.ReadAllBytes(File(name));

    public string Text(string name) => System.IO.File.ReadAllText(File(name));

    /// <summary>The name that a job gives its nth file.</summary>
    public static string Name(int number, string job = Job) => $"{job}_M1_{number}_0_0-0_TableSink1";

    public void Dispose() => scratch.Dispose();
}
