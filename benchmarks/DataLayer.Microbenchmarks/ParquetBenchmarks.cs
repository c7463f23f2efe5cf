using System.Diagnostics;
using System.Globalization;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Microbenchmarks;

/// <summary>
/// A flat Parquet table of ten columns as JSON lines and as CSV, beside DuckDB with one thread writing the same
/// (tests/duckdb, after <c>npm ci --prefix tests/duckdb</c>; run from the repository's root). Both write to a file in
/// memory. Each prints its best run as MB of output and rows per second, by the clock and by CPU time, which other work
/// on the machine changes less.
/// </summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 1, iterationCount: 5)]
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
[MemoryDiagnoser]
public class ParquetBenchmarks
{
    const int Rows = 2_000_000;

    string folder = "";
    Process? duckDb;
    double best = double.MaxValue;
    double bestCpu = double.MaxValue;
    string what = "";

    string Table => Path.Combine(folder, "table.parquet");

    string Output => Path.Combine(folder, "output");

    [GlobalSetup]
    public void Make()
    {
        folder = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"dl-parquet-{Environment.ProcessId}")).FullName;
        using Process make = Start("make", Table, Rows.ToString(CultureInfo.InvariantCulture));
        make.WaitForExit();
        if (make.ExitCode != 0) throw new InvalidOperationException("tests/duckdb/measure.mjs failed: is `npm ci --prefix tests/duckdb` done?");
        duckDb = Start("read", Table, Output);
    }

    [GlobalCleanup]
    public void Report()
    {
        double megabytes = new FileInfo(Output).Length / 1e6;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what}: {megabytes / best:F0} MB/s, {Rows / 1e6 / best:F2} million rows/s; by CPU time {megabytes / bestCpu:F0} MB/s, {Rows / 1e6 / bestCpu:F2} million rows/s"));
        duckDb?.StandardInput.Close();
        duckDb?.WaitForExit();
        duckDb?.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Benchmark(Baseline = true), BenchmarkCategory("json")]
    public void DuckDbJson() => RunDuckDb("json");

    [Benchmark, BenchmarkCategory("json")]
    public void Json() => Run(nameof(Json), schema => RowFormatter.JsonLines(schema));

    [Benchmark(Baseline = true), BenchmarkCategory("csv")]
    public void DuckDbCsv() => RunDuckDb("csv");

    [Benchmark, BenchmarkCategory("csv")]
    public void Csv() => Run(nameof(Csv), schema => RowFormatter.Csv(schema));

    void Run(string name, Func<RowSchema, RowFormatter> format)
    {
        long started = Stopwatch.GetTimestamp();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        using (var file = new LocalFile(Table))
        using (FileStream stream = new(Output, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            ParquetFile parquet = Done(ParquetFile.OpenAsync(file));
            RowSchema schema = parquet.Project();
            using RowFormatter formatter = format(schema);
            using var output = new RowOutput();
            formatter.WriteHeader(output);
            for (int group = 0; group < parquet.Metadata.RowGroups.Count; group++)
            {
                using RowGroupReader reader = parquet.OpenRowGroup(group, schema);
                while (Done(reader.ReadAsync()) is { } batch)
                {
                    while (batch.NextRow < batch.RowCount)
                    {
                        formatter.Write(batch, output);
                        stream.Write(output.Written.Span);
                        output.Clear();
                    }
                }
            }
        }
        Keep(name, started, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
    }

    void RunDuckDb(string format)
    {
        long started = Stopwatch.GetTimestamp();
        duckDb!.StandardInput.WriteLine(format);
        duckDb.StandardInput.Flush();
        string cpu = duckDb.StandardOutput.ReadLine() ?? throw new InvalidOperationException("DuckDB ended");
        Keep($"DuckDB {format}", started, double.Parse(cpu, CultureInfo.InvariantCulture));
    }

    void Keep(string name, long started, double cpuSeconds)
    {
        what = name;
        best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        bestCpu = Math.Min(bestCpu, cpuSeconds);
    }

    static Process Start(params string[] arguments)
    {
        string script = Script();
        return Process.Start(new ProcessStartInfo("node", [script, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    static string Script()
    {
        for (string? at = Environment.CurrentDirectory; at is not null; at = Path.GetDirectoryName(at))
        {
            string script = Path.Combine(at, "tests", "duckdb", "measure.mjs");
            if (File.Exists(script)) return script;
        }
        throw new FileNotFoundException($"no tests/duckdb/measure.mjs above {Environment.CurrentDirectory}");
    }

    static T Done<T>(ValueTask<T> task) => task.AsTask().GetAwaiter().GetResult();
}
