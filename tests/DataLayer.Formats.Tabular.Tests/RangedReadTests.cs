using DataLayer.Formats.Tabular.Parquet;
using Xunit;
using static DataLayer.Formats.Tabular.Tests.ParquetBuilder;

namespace DataLayer.Formats.Tabular.Tests;

public sealed class RangedReadTests
{
    [Fact]
    public void Only_the_footer_and_the_columns_asked_for_are_fetched()
    {
        var file = new RecordingFile(ThreeColumns(300_000));
        Assert.Equal(300_000, Table.Lines(Table.Read(file, columns: ["b"])).Length);
        (long Offset, int Length)[] data = [.. file.Reads.Skip(1)];
        // Column b is the second of three chunks of 1.2 MB; what a reader adds is less than a page.
        Assert.All(data, read => Assert.InRange(read.Offset, 1_100_000, 1_300_000));
        Assert.InRange(data.Sum(read => (long)read.Length), 1_200_000, 1_210_000);
    }

    [Fact]
    public void Neighbouring_columns_of_a_small_row_group_are_fetched_in_one_read()
    {
        var file = new RecordingFile(ThreeColumns(1000));
        Table.Read(file);
        Assert.Equal(2, file.Reads.Count);
    }

    [Fact]
    public void A_row_group_larger_than_the_read_ahead_is_fetched_in_stretches()
    {
        var file = new RecordingFile(ThreeColumns(300_000));
        string rows = Table.Read(file, options: new ParquetReadOptions { ReadAhead = 300_000, MemoryLimit = 16 << 20 });
        Assert.Equal(Table.Read(ThreeColumns(300_000)), rows);
        Assert.InRange(file.Reads.Count, 30, 60);
        Assert.All(file.Reads, read => Assert.InRange(read.Length, 1, 100_000));
    }

    [Fact]
    public void Skipped_pages_are_not_decompressed()
    {
        // The first page does not decompress, and only who reads its rows notices.
        byte[] pages = [.. Page(10, 0, [1, 2, 3], uncompressed: 40), .. Page(10, 0, [40, 39 << 2, .. Ints([.. Enumerable.Range(0, 10)])], uncompressed: 40)];
        MemoryFile file = new ParquetBuilder(20).Column("c", PhysicalType.Int32, 20, pages, codec: Codec.Snappy).Build();
        Assert.Throws<TabularException>(() => Table.Read(file));
        ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file));
        using RowGroupReader reader = parquet.OpenRowGroup(0, parquet.Project());
        Table.Done(reader.SkipAsync(10));
        Assert.Equal(10, Table.Done(reader.ReadAsync())!.RowCount);
    }

    [Fact]
    public void A_column_that_does_not_exist_is_named()
    {
        ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(ThreeColumns(1)));
        Assert.Contains("no column x; it has a, b, c", Assert.Throws<ArgumentException>(() => parquet.Project(["x"])).Message, StringComparison.Ordinal);
    }

    static MemoryFile ThreeColumns(int rows)
    {
        var builder = new ParquetBuilder(rows);
        foreach (string name in (string[])["a", "b", "c"])
        {
            // Pages of 1,000 values.
            byte[] pages = [.. Enumerable.Range(0, rows / 1000).SelectMany(p => Page(1000, 0, Ints([.. Enumerable.Range(p * 1000, 1000)]))),
                .. rows % 1000 == 0 ? [] : Page(rows % 1000, 0, Ints(new int[rows % 1000]))];
            builder.Column(name, PhysicalType.Int32, rows, pages);
        }
        return builder.Build();
    }

    sealed class RecordingFile(MemoryFile inner) : IRandomAccess
    {
        public List<(long Offset, int Length)> Reads { get; } = [];

        public string Name => inner.Name;

        public long Length => inner.Length;

        public ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            Reads.Add((offset, destination.Length));
            return inner.ReadAsync(offset, destination, cancel);
        }
    }
}
