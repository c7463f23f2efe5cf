using System.Diagnostics;
using System.Globalization;
using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Damaged and hostile files give rows or a typed error: never a crash, a hang or memory without bound.</summary>
public sealed class HostileFileTests(DuckDbTables tables, ITestOutputHelper log) : IClassFixture<DuckDbTables>
{
    [Fact]
    public void A_file_cut_at_any_byte_is_an_error()
    {
        foreach (byte[] content in Smallest(5))
        {
            for (int length = 0; length < content.Length; length++)
            {
                var file = new MemoryFile("cut", content.AsMemory(0, length));
                TabularException error = Assert.Throws<TabularException>(() => Table.Read(file));
                Assert.Equal(TabularFault.Corrupt, error.Fault);
            }
        }
    }

    [Fact]
    public void Any_flipped_bit_of_a_small_file_gives_rows_or_a_typed_error()
    {
        byte[] content = Smallest(1)[0];
        var mutator = new ParquetMutator([content], 0);
        for (int bit = 0; bit < content.Length * 8; bit++)
        {
            content[bit >> 3] ^= (byte)(1 << (bit & 7));
            mutator.Read(content, $"bit {bit}");
            content[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
        Report(mutator);
    }

    [Fact]
    public void Damaged_files_give_rows_or_a_typed_error()
    {
        // A seeded sample of what the long test does; bounded by time, since the machines differ.
        var mutator = new ParquetMutator(Smallest(40), tables.Seed);
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(8) && mutator.Count < 100_000) mutator.Step();
        Report(mutator);
        Assert.True(mutator.Outcomes.ContainsKey("Corrupt"), "no damage was noticed");
    }

    /// <summary>TABULAR_FUZZ inputs (a million when it is not set), or as many as TABULAR_FUZZ_MINUTES allow, damaged from DuckDB's files and, where PARQUET_TESTING names it, the public corpus.</summary>
    [Fact]
    [Trait("Length", "long")]
    public void A_million_damaged_files_give_rows_or_a_typed_error()
    {
        long count = long.Parse(Environment.GetEnvironmentVariable("TABULAR_FUZZ") ?? "1000000", CultureInfo.InvariantCulture);
        List<byte[]> originals = Smallest(60);
        if (Environment.GetEnvironmentVariable("PARQUET_TESTING") is { Length: > 0 } corpus)
        {
            originals.AddRange(Directory.EnumerateFiles(corpus, "*.parquet", SearchOption.AllDirectories)
                .Where(path => new FileInfo(path).Length < 16_000).Order(StringComparer.Ordinal).Select(File.ReadAllBytes));
        }
        var mutator = new ParquetMutator(originals, tables.Seed);
        double minutes = double.Parse(Environment.GetEnvironmentVariable("TABULAR_FUZZ_MINUTES") ?? "1e6", CultureInfo.InvariantCulture);
        var clock = Stopwatch.StartNew();
        while (mutator.Count < count && clock.Elapsed.TotalMinutes < minutes) mutator.Step();
        Report(mutator);
        Assert.True(mutator.Slowest < TimeSpan.FromSeconds(30), $"{mutator.SlowestInput} took {mutator.Slowest}");
    }

    void Report(ParquetMutator mutator) => log.WriteLine(
        $"{mutator.Count} inputs of TABULAR_SEED={tables.Seed}, slowest {mutator.Slowest.TotalMilliseconds:F0} ms ({mutator.SlowestInput}): {string.Join(", ", mutator.Outcomes.Select(o => $"{o.Value} {o.Key}"))}");

    List<byte[]> Smallest(int count) =>
        [.. tables.Names.Select(tables.Parquet).Select(File.ReadAllBytes).OrderBy(content => content.Length).Take(count)];
}
