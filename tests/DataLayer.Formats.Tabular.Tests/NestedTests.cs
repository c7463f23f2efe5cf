using Xunit;
using static DataLayer.Formats.Tabular.Tests.ParquetBuilder;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Lists, maps and structs in the forms that older writers used (parquet-format, LogicalTypes.md), which DuckDB does not write.</summary>
public sealed class NestedTests
{
    const int List = 3, Map = 1, MapKeyValue = 2;

    // [1, 2], [] and null, of which the last needs an optional list.
    static readonly byte[] OptionalListOfRequired = Page(4, 0, [.. Levels(1, 0, 1, 0, 0), .. Levels(2, 2, 2, 1, 0), .. Ints(1, 2)]);

    [Fact]
    public void Two_level_lists_have_the_repeated_field_as_element()
    {
        MemoryFile file = new ParquetBuilder(3) { RootChildren = 1 }
            .Group("c", Repetition.Optional, 1, List)
            .Column("element", PhysicalType.Int32, 4, OptionalListOfRequired, Repetition.Repeated).Build();
        AssertRows(file, "[1,2]", "[]", "null");
    }

    [Theory]
    [InlineData("array")]
    [InlineData("c_tuple")]
    public void A_repeated_group_of_a_telling_name_is_the_element(string name)
    {
        MemoryFile file = new ParquetBuilder(3) { RootChildren = 1 }
            .Group("c", Repetition.Optional, 1, List)
            .Group(name, Repetition.Repeated, 1)
            .Column("x", PhysicalType.Int32, 4, OptionalListOfRequired).Build();
        AssertRows(file, "[{\"x\":1},{\"x\":2}]", "[]", "null");
    }

    [Fact]
    public void A_repeated_group_of_another_name_is_only_a_wrapper()
    {
        MemoryFile file = new ParquetBuilder(3) { RootChildren = 1 }
            .Group("c", Repetition.Optional, 1, List)
            .Group("bag", Repetition.Repeated, 1)
            .Column("x", PhysicalType.Int32, 4, OptionalListOfRequired).Build();
        AssertRows(file, "[1,2]", "[]", "null");
    }

    [Fact]
    public void A_repeated_group_of_two_fields_is_the_element()
    {
        MemoryFile file = new ParquetBuilder(3) { RootChildren = 1 }
            .Group("c", Repetition.Optional, 1, List)
            .Group("bag", Repetition.Repeated, 2)
            .Column("x", PhysicalType.Int32, 4, OptionalListOfRequired)
            .Column("y", PhysicalType.Int32, 4, OptionalListOfRequired).Build();
        AssertRows(file, "[{\"x\":1,\"y\":1},{\"x\":2,\"y\":2}]", "[]", "null");
    }

    [Fact]
    public void A_repeated_field_without_annotation_is_a_required_list()
    {
        MemoryFile file = new ParquetBuilder(2)
            .Column("c", PhysicalType.Int32, 3, Page(3, 0, [.. Levels(1, 0, 1, 0), .. Levels(1, 1, 1, 0), .. Ints(1, 2)]), Repetition.Repeated).Build();
        AssertRows(file, "[1,2]", "[]");
    }

    [Theory]
    [InlineData(Map)]
    [InlineData(MapKeyValue)]
    public void Maps_may_carry_the_old_annotation_and_optional_keys(int annotation)
    {
        byte[] keys = Page(2, 0, [.. Levels(1, 0, 1), .. Levels(2, 3, 3), .. Strings("a", "b")]);
        byte[] values = Page(2, 0, [.. Levels(1, 0, 1), .. Levels(2, 3, 2), .. Ints(1)]);
        MemoryFile file = new ParquetBuilder(1) { RootChildren = 1 }
            .Group("c", Repetition.Optional, 1, annotation)
            .Group("map", Repetition.Repeated, 2)
            .Column("key", PhysicalType.ByteArray, 2, keys, Repetition.Optional, annotate: t => t.Int32(6, 0))
            .Column("value", PhysicalType.Int32, 2, values, Repetition.Optional).Build();
        AssertRows(file, "{\"a\":1,\"b\":null}");
    }

    [Fact]
    public void A_map_without_values_has_null_for_each()
    {
        MemoryFile file = new ParquetBuilder(1) { RootChildren = 1 }
            .Group("c", Repetition.Required, 1, Map)
            .Group("key_value", Repetition.Repeated, 1)
            .Column("key", PhysicalType.Int32, 2, Page(2, 0, [.. Levels(1, 0, 1), .. Levels(1, 1, 1), .. Ints(1, 2)])).Build();
        AssertRows(file, "{\"1\":null,\"2\":null}");
    }

    [Fact]
    public void A_row_may_go_on_over_many_pages()
    {
        byte[] pages = [.. Enumerable.Range(0, 3000).SelectMany(i => Page(1, 0, [.. Levels(1, i % 1500 == 0 ? 0 : 1), .. Levels(1, 1), .. Ints(i)]))];
        MemoryFile file = new ParquetBuilder(2).Column("c", PhysicalType.Int32, 3000, pages, Repetition.Repeated).Build();
        AssertRows(file, $"[{string.Join(',', Enumerable.Range(0, 1500))}]", $"[{string.Join(',', Enumerable.Range(1500, 1500))}]");
    }

    [Fact]
    public void Columns_of_one_list_that_differ_in_length_are_corrupt()
    {
        byte[] two = Page(2, 0, [.. Levels(1, 0, 1), .. Levels(1, 1, 1), .. Ints(1, 2)]);
        byte[] three = Page(3, 0, [.. Levels(1, 0, 1, 1), .. Levels(1, 1, 1, 1), .. Ints(1, 2, 3)]);
        byte[] none = Page(1, 0, [.. Levels(1, 0), .. Levels(1, 0)]);
        foreach ((byte[] first, int n, byte[] second, int m) in new[] { (two, 2, three, 3), (three, 3, two, 2), (two, 2, none, 1), (none, 1, two, 2) })
        {
            MemoryFile file = new ParquetBuilder(1) { RootChildren = 1 }
                .Group("c", Repetition.Required, 1, List)
                .Group("bag", Repetition.Repeated, 2)
                .Column("x", PhysicalType.Int32, n, first)
                .Column("y", PhysicalType.Int32, m, second).Build();
            Assert.Equal(TabularFault.Corrupt, Assert.Throws<TabularException>(() => Table.Read(file)).Fault);
        }
    }

    static void AssertRows(MemoryFile file, params string[] values) =>
        Assert.Equal(values.Select(v => $"{{\"c\":{v}}}"), Table.Lines(Table.Read(file)));
}
