using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Rows;
using Xunit;
using Xunit.Abstractions;
using static DataLayer.Formats.Tabular.Tests.ParquetBuilder;

namespace DataLayer.Formats.Tabular.Tests;

public sealed class LargeFileTests(ITestOutputHelper log)
{
    const int Columns = 10;

    [Theory]
    [InlineData(32)]
    public void One_row_group_is_read_in_stretches_of_bounded_memory(int pagesPerColumn) => ReadOneRowGroup(pagesPerColumn, 128 << 20);

    /// <summary>5 GiB in one row group, which is the worst layout that there is.</summary>
    [Theory]
    [InlineData(512)]
    [Trait("Length", "long")]
    public void A_row_group_of_5_GiB_needs_less_than_256_MiB(int pagesPerColumn) => ReadOneRowGroup(pagesPerColumn, 256 << 20);

    void ReadOneRowGroup(int pagesPerColumn, long mostMemory)
    {
        const int PageRows = 1 << 14;
        string[] values = [.. Enumerable.Range(0, PageRows).Select(i => $"{i:D60}")];
        byte[] page = Page(PageRows, 0, Strings(values));
        var file = new RepeatedPages(page, pagesPerColumn, PageRows);
        ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file));
        RowSchema schema = parquet.Project();
        using RowFormatter formatter = RowFormatter.JsonLines(schema);
        using RowGroupReader reader = parquet.OpenRowGroup(0, schema);
        using var output = new RowOutput();
        long before = Environment.WorkingSet, most = 0, rows = 0, batches = 0;
        while (Table.Done(reader.ReadAsync()) is { } batch)
        {
            while (batch.NextRow < batch.RowCount)
            {
                rows += formatter.Write(batch, output);
                output.Clear();
            }
            // Asking takes a millisecond.
            if (++batches % 64 == 0) most = Math.Max(most, Environment.WorkingSet - before);
        }
        log.WriteLine($"{file.Length >> 20} MiB, {rows} rows, {most >> 20} MiB of memory");
        Assert.Equal((long)pagesPerColumn * PageRows, rows);
        Assert.InRange(most, 0, mostMemory);
    }

    /// <summary>A file of one row group whose columns are the same page again and again, none of it in memory twice.</summary>
    sealed class RepeatedPages : IRandomAccess
    {
        readonly byte[] page;
        readonly byte[] tail;
        readonly long dataEnd;

        public RepeatedPages(byte[] page, int pagesPerColumn, int pageRows)
        {
            this.page = page;
            long rows = (long)pagesPerColumn * pageRows, size = (long)pagesPerColumn * page.Length;
            dataEnd = Columns * size;
            byte[] root = ThriftWriter.Struct(t => t.Text(4, "root").Int32(5, Columns));
            byte[][] leaves = [.. Enumerable.Range(0, Columns).Select(c => ThriftWriter.Struct(t => t.Int32(1, 6).Int32(3, 0).Text(4, $"c{c}").Int32(6, 0)))];
            byte[][] chunks = [.. Enumerable.Range(0, Columns).Select(c => ThriftWriter.Struct(t => t.Int64(2, 0).Struct(3, m => m
                .Int32(1, 6).Int32(4, 0).Int64(5, rows).Int64(6, size).Int64(7, size).Int64(9, c * size))))];
            byte[] footer = ThriftWriter.Struct(t => t
                .Int32(1, 1).Structs(2, [root, .. leaves]).Int64(3, rows)
                .Structs(4, ThriftWriter.Struct(g => g.Structs(1, chunks).Int64(2, 0).Int64(3, rows))));
            tail = [.. footer, .. BitConverter.GetBytes(footer.Length), .. "PAR1"u8];
        }

        public string Name => "repeated";

        public long Length => dataEnd + tail.Length;

        public ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            Span<byte> to = destination.Span;
            while (to.Length > 0)
            {
                ReadOnlySpan<byte> from = offset < dataEnd ? page.AsSpan((int)(offset % page.Length)) : tail.AsSpan((int)(offset - dataEnd));
                int count = Math.Min(from.Length, to.Length);
                from[..count].CopyTo(to);
                to = to[count..];
                offset += count;
            }
            return ValueTask.CompletedTask;
        }
    }
}
