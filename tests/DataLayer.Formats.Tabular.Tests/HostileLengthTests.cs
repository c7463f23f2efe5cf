using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Parquet.Thrift;
using DataLayer.Formats.Tabular.Rows;
using Xunit;
using static DataLayer.Formats.Tabular.Tests.ParquetBuilder;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Counts and lengths that a file cannot mean, each where it would hurt.</summary>
public sealed class HostileLengthTests
{
    public static TheoryData<string> Lies => [.. Files.Keys];

    static readonly Dictionary<string, Func<MemoryFile>> Files = new()
    {
        ["a page of 2^31-1 bytes"] = () => OneColumn([.. ThriftWriter.Struct(t => t.Int32(1, 0).Int32(2, int.MaxValue).Int32(3, int.MaxValue).Struct(5, d => d.Int32(1, 1).Int32(2, 0).Int32(3, 3).Int32(4, 3))), 1, 2, 3]),
        ["a page that grows to 2^31-1 bytes"] = () => OneColumn(Page(1, 0, [1, 2, 3], uncompressed: int.MaxValue), Codec.Brotli),
        ["a page of -1 bytes"] = () => OneColumn(Page(1, 0, [1, 2, 3], uncompressed: -1)),
        ["a page header without end"] = () => OneColumn([.. Enumerable.Repeat((byte)0x15, 100_000)]),
        ["a string of 2^31-1 bytes in a page header"] = () => OneColumn([0x15, 0, 0x38, 0xFF, 0xFF, 0xFF, 0xFF, 7]),
        ["a dictionary of 2^31-1 values"] = () => OneColumn(DictionaryPage(int.MaxValue, Ints(1))),
        ["a dictionary of -1 values"] = () => OneColumn(DictionaryPage(-1, Ints(1))),
        ["indexes without a dictionary"] = () => OneColumn(Page(1, 8, [1, .. Hybrid(1, 1)])),
        ["an index beyond the dictionary"] = () => OneColumn([.. DictionaryPage(1, Ints(1)), .. Page(1, 8, [32, 2 << 1, 0xFF, 0xFF, 0xFF, 0x7F])]),
        ["indexes of 33 bits"] = () => OneColumn([.. DictionaryPage(1, Ints(1)), .. Page(1, 8, [33, 3, 0])]),
        ["a string of 2^31-1 bytes"] = () => OneColumn(Page(1, 0, [0xFF, 0xFF, 0xFF, 0x7F, 1]), type: PhysicalType.ByteArray),
        ["a string of -1 bytes"] = () => OneColumn(Page(1, 0, [0xFF, 0xFF, 0xFF, 0xFF, 1]), type: PhysicalType.ByteArray),
        ["levels of 2^31-1 bytes"] = () => OneColumn(Page(1, 0, [0xFF, 0xFF, 0xFF, 0x7F, 1]), repetition: Repetition.Optional),
        ["levels above the highest"] = () => OneColumn(Page(1, 0, [2, 0, 0, 0, 2, 9, .. Ints(1)]), repetition: Repetition.Optional),
        ["a row that starts in the middle"] = () => OneColumn(Page(1, 0, [.. Levels(1, 1), .. Levels(1, 1), .. Ints(1)]), repetition: Repetition.Repeated),
        ["a delta block of 2^62 values"] = () => OneColumn(Page(1, 5, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F, 4, 1, 0])),
        ["2^62 deltas"] = () => OneColumn(Page(2, 6, [128, 1, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F, 0]), type: PhysicalType.ByteArray, values: 2),
        ["a shared prefix longer than the value before"] = () => OneColumn(Page(2, 7, [.. Delta(0, int.MaxValue), .. Delta(1, 0), 65]), type: PhysicalType.ByteArray, values: 2),
        ["a suffix of a negative length"] = () => OneColumn(Page(2, 7, [.. Delta(0, 1), .. Delta(1, -1), 65]), type: PhysicalType.ByteArray, values: 2),
        ["a fixed length of 2^31-1"] = () => OneColumn(Page(1, 0, [1]), type: PhysicalType.FixedLenByteArray, length: int.MaxValue),
        ["a fixed length of 0"] = () => OneColumn(Page(1, 0, [1]), type: PhysicalType.FixedLenByteArray),
        ["fewer values than rows"] = () => new ParquetBuilder(2).Column("c", PhysicalType.Int32, 1, Page(1, 0, Ints(1))).Build(),
        ["more values than rows"] = () => new ParquetBuilder(1).Column("c", PhysicalType.Int32, 2, Page(2, 0, Ints(1, 2))).Build(),
        ["2^62 rows"] = () => new ParquetBuilder(1L << 62).Column("c", PhysicalType.Int32, 1L << 62, Page(1, 0, Ints(1))).Build(),
        ["-1 rows"] = () => new ParquetBuilder(-1).Column("c", PhysicalType.Int32, 1, Page(1, 0, Ints(1))).Build(),
        ["a footer of 2^31-1 schema elements"] = () => new ParquetBuilder(0).Finish(ThriftWriter.Struct(t => t.Int32(1, 1).ListHeader(2, CompactType.Struct, int.MaxValue))),
        ["a schema with 2^31-1 children"] = () => new ParquetBuilder(0) { RootChildren = int.MaxValue }.Column("c", PhysicalType.Int32, 0, []).Build(),
        ["a schema with -1 children"] = () => new ParquetBuilder(0) { RootChildren = -1 }.Column("c", PhysicalType.Int32, 0, []).Build(),
        ["a schema of two roots"] = () => new ParquetBuilder(0) { RootChildren = 1 }.Column("c", PhysicalType.Int32, 0, []).Column("d", PhysicalType.Int32, 0, []).Build(),
        ["structs nested 100,000 deep in the schema"] = () => Nested(100_000),
        ["structs nested 100,000 deep in an unknown field"] = () => new ParquetBuilder(0).Finish([.. Enumerable.Repeat((byte)0x1C, 100_000)]),
        ["lists nested 100,000 deep in an unknown field"] = () => new ParquetBuilder(0).Finish([0xF9, .. Enumerable.Repeat((byte)0x19, 100_000)]),
        ["a footer of zeros"] = () => new ParquetBuilder(0).Finish(new byte[1000]),
        ["an empty footer"] = () => new ParquetBuilder(0).Finish([]),
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_lie_is_a_typed_error_that_costs_no_memory(string lie)
    {
        MemoryFile file = Files[lie]();
        long before = GC.GetAllocatedBytesForCurrentThread();
        TabularException error = Assert.Throws<TabularException>(() => Table.Read(file, options: new ParquetReadOptions { MemoryLimit = 64 << 20 }));
        Assert.Equal("built", error.File);
        Assert.InRange(error.Offset, 0, file.Length);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
    }

    [Fact]
    public void The_depth_that_is_allowed_is_read()
    {
        MemoryFile file = Nested(98);
        string row = Table.Lines(Table.Read(file))[0];
        Assert.Contains("\"leaf\":7", row, StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_of_two_billion_nulls_is_read_without_holding_them()
    {
        // One run: 2^31-1 is too many for the header's 32 bits, which hold the count times two.
        const int Rows = (1 << 30) - 1;
        byte[] run = [0xFE, 0xFF, 0xFF, 0xFF, 0x07, 0];
        MemoryFile file = new ParquetBuilder(Rows).Column("c", PhysicalType.Int32, Rows, Page(Rows, 0, [.. BitConverter.GetBytes(run.Length), .. run]), Repetition.Optional).Build();
        ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file, new ParquetReadOptions { MemoryLimit = 1 << 16 }));
        using RowGroupReader reader = parquet.OpenRowGroup(0, parquet.Project());
        for (int i = 0; i < 1000; i++) Assert.Equal(2048, Table.Done(reader.ReadAsync())!.RowCount);
        Assert.Equal(Rows - 2_048_000, reader.RowsLeft);
    }

    [Fact]
    public void A_dictionary_does_not_let_rows_grow_without_end()
    {
        byte[] entry = new byte[1 << 20];
        byte[] pages = [.. DictionaryPage(1, [.. BitConverter.GetBytes(entry.Length), .. entry]), .. Page(5000, 8, [.. Levels(1, [0, .. Enumerable.Repeat(1, 4999)]), .. Levels(1, [.. Enumerable.Repeat(1, 5000)]), 0, 0xFF, 0xFF, 0x03])];
        MemoryFile file = new ParquetBuilder(1).Column("c", PhysicalType.ByteArray, 5000, pages, Repetition.Repeated).Build();
        ParquetFile parquet = Table.Done(ParquetFile.OpenAsync(file));
        RowSchema schema = parquet.Project();
        using RowGroupReader reader = parquet.OpenRowGroup(0, schema);
        using RowFormatter formatter = RowFormatter.JsonLines(schema);
        using var output = new RowOutput(longest: 32 << 20);
        RowBatch batch = Table.Done(reader.ReadAsync())!;
        Assert.Equal(TabularFault.MemoryLimit, Assert.Throws<TabularException>(() => formatter.Write(batch, output)).Fault);
    }

    [Fact]
    public void Encrypted_footers_and_columns_are_refused_as_such()
    {
        byte[] content = new byte[64];
        "PARE"u8.CopyTo(content.AsSpan(60));
        Assert.Equal(TabularFault.Encrypted, Assert.Throws<TabularException>(() => Table.Read(new MemoryFile("f", content))).Fault);
        MemoryFile file = new ParquetBuilder(0).Finish(ThriftWriter.Struct(t => t.Int32(1, 1)
            .Structs(2, ThriftWriter.Struct(r => r.Text(4, "root").Int32(5, 1)), ThriftWriter.Struct(c => c.Int32(1, 1).Int32(3, 0).Text(4, "secret")))
            .Int64(3, 0)
            .Structs(4, ThriftWriter.Struct(g => g.Structs(1, ThriftWriter.Struct(c => c.Int64(2, 4).Struct(8, u => u.Struct(1, _ => { })))).Int64(2, 0).Int64(3, 0)))));
        TabularException error = Assert.Throws<TabularException>(() => Table.Read(file));
        Assert.Equal((TabularFault.Encrypted, "secret"), (error.Fault, error.Column));
    }

    static MemoryFile OneColumn(
        byte[] pages,
        Codec codec = Codec.Uncompressed,
        PhysicalType type = PhysicalType.Int32,
        Repetition repetition = Repetition.Required,
        int values = 1,
        int length = 0) => new ParquetBuilder(values).Column("c", type, values, pages, repetition, length, codec: codec).Build();

    static MemoryFile Nested(int depth)
    {
        var builder = new ParquetBuilder(1) { RootChildren = 1 };
        for (int i = 0; i < depth; i++) builder.Group("g", Repetition.Optional, 1);
        byte[] page = Page(1, 0, [.. Levels(7, Math.Min(depth, 127)), .. Ints(7)]);
        return builder.Column("leaf", PhysicalType.Int32, 1, page).Build();
    }
}
