using DataLayer.Formats.Tabular.Rows;
using Xunit;
using static DataLayer.Formats.Tabular.Tests.ParquetBuilder;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>The text of each type, which is golden: another text is another <see cref="RowFormatter.Version"/>.</summary>
public sealed class TypeTests
{
    [Fact]
    public void The_formatter_version_changes_with_these_expectations() => Assert.Equal(1, RowFormatter.Version);

    [Theory]
    [InlineData(0.1, "0.1")]
    [InlineData(1.0, "1.0")]
    [InlineData(-0.0, "-0.0")]
    [InlineData(1e15, "1000000000000000.0")]
    [InlineData(1e16, "10000000000000000.0")]
    [InlineData(1e17, "1E+17")]
    [InlineData(123456789012345.0, "123456789012345.0")]
    [InlineData(1e-5, "1E-05")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(double.MaxValue, "1.7976931348623157E+308")]
    [InlineData(double.Epsilon, "5E-324")]
    [InlineData(double.NaN, "\"NaN\"")]
    [InlineData(double.PositiveInfinity, "\"Infinity\"")]
    [InlineData(double.NegativeInfinity, "\"-Infinity\"")]
    public void Doubles_have_the_shortest_digits(double value, string expected) => AssertText(expected, PhysicalType.Double, BitConverter.GetBytes(value));

    [Theory]
    [InlineData(0.1f, "0.1")]
    [InlineData(16777216f, "16777216.0")]
    [InlineData(float.NaN, "\"NaN\"")]
    public void Singles_have_the_shortest_digits(float value, string expected) => AssertText(expected, PhysicalType.Float, BitConverter.GetBytes(value));

    [Fact]
    public void Half_precision_is_written_as_a_single()
    {
        AssertText("1.5", PhysicalType.FixedLenByteArray, BitConverter.GetBytes((Half)1.5), 2, Logical(15));
        AssertText("\"NaN\"", PhysicalType.FixedLenByteArray, BitConverter.GetBytes(Half.NaN), 2, Logical(15));
    }

    [Fact]
    public void Unsigned_integers_are_not_negative()
    {
        AssertText("4294967295", PhysicalType.Int32, Ints(-1), annotate: t => t.Int32(6, 13));
        AssertText("18446744073709551615", PhysicalType.Int64, Longs(-1), annotate: t => t.Int32(6, 14));
        AssertText("-1", PhysicalType.Int64, Longs(-1), annotate: t => t.Int32(6, 18));
    }

    [Theory]
    [InlineData(12345, 2, "123.45")]
    [InlineData(-5, 2, "-0.05")]
    [InlineData(5, 0, "5")]
    [InlineData(0, 3, "0.000")]
    [InlineData(int.MinValue, 9, "-2.147483648")]
    public void Decimals_are_the_same_in_every_physical_form(int unscaled, int scale, string expected)
    {
        Action<ThriftWriter> annotate = t => t.Int32(6, 5).Int32(7, scale).Int32(8, 9);
        AssertText(expected, PhysicalType.Int32, Ints(unscaled), annotate: annotate);
        AssertText(expected, PhysicalType.Int64, Longs(unscaled), annotate: annotate);
        foreach (int size in (int[])[4, 5, 8, 9, 16, 17, 32, 256])
        {
            byte[] big = new byte[size];
            big.AsSpan().Fill(unscaled < 0 ? (byte)0xFF : (byte)0);
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(big.AsSpan(size - 4), unscaled);
            AssertText(expected, PhysicalType.FixedLenByteArray, big, size, annotate);
            AssertText(expected, PhysicalType.ByteArray, [.. BitConverter.GetBytes(size), .. big], annotate: annotate);
        }
    }

    [Fact]
    public void Decimals_of_38_digits_keep_them_all()
    {
        byte[] big = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteInt128BigEndian(big, Int128.Parse("-99999999999999999999999999999999999999", null));
        AssertText("-9999999999999999999999999999.9999999999", PhysicalType.FixedLenByteArray, big, 16, t => t.Int32(6, 5).Int32(7, 10).Int32(8, 38));
        System.Buffers.Binary.BinaryPrimitives.WriteInt128BigEndian(big, Int128.MinValue);
        AssertText("-170141183460469231731687303715884105728", PhysicalType.FixedLenByteArray, big, 16, t => t.Int32(6, 5).Int32(7, 0).Int32(8, 38));
    }

    [Theory]
    [InlineData(0, "1970-01-01")]
    [InlineData(-1, "1969-12-31")]
    [InlineData(11_016, "2000-02-29")]
    [InlineData(-719_162, "0001-01-01")]
    [InlineData(-719_163, "0001-12-31 (BC)")]
    [InlineData(2_932_897, "10000-01-01")]
    [InlineData(int.MaxValue, "infinity")]
    [InlineData(int.MinValue, "5877642-06-23 (BC)")]
    public void Dates_are_proleptic_Gregorian(int days, string expected) => AssertText($"\"{expected}\"", PhysicalType.Int32, Ints(days), annotate: t => t.Int32(6, 6));

    [Fact]
    public void Timestamps_of_all_units_say_whether_they_are_UTC()
    {
        const long Seconds = 1_577_934_245;
        AssertText("\"2020-01-02 03:04:05.678\"", PhysicalType.Int64, Longs(Seconds * 1000 + 678), annotate: Timestamp(false, 1));
        AssertText("\"2020-01-02 03:04:05.678901+00\"", PhysicalType.Int64, Longs(Seconds * 1_000_000 + 678_901), annotate: Timestamp(true, 2));
        AssertText("\"2020-01-02 03:04:05.00000001\"", PhysicalType.Int64, Longs(Seconds * 1_000_000_000 + 10), annotate: Timestamp(false, 3));
        AssertText("\"1969-12-31 23:59:59.999\"", PhysicalType.Int64, Longs(-1), annotate: t => t.Int32(6, 9));
        AssertText("\"2020-01-02 03:04:05\"", PhysicalType.Int64, Longs(Seconds * 1_000_000), annotate: t => t.Int32(6, 10));
        AssertText("\"infinity\"", PhysicalType.Int64, Longs(long.MaxValue), annotate: Timestamp(false, 2));
        AssertText("\"292275056-05-16 (BC) 16:47:04.192\"", PhysicalType.Int64, Longs(long.MinValue), annotate: Timestamp(false, 1));
    }

    [Fact]
    public void Times_of_all_units_leave_out_zeros_of_the_fraction()
    {
        AssertText("\"12:34:56.789\"", PhysicalType.Int32, Ints(45_296_789), annotate: t => t.Int32(6, 7));
        AssertText("\"00:00:00.000001\"", PhysicalType.Int64, Longs(1), annotate: t => t.Int32(6, 8));
        AssertText("\"23:59:59.99\"", PhysicalType.Int64, Longs(86_399_990_000_000), annotate: t => t.Struct(10, l => l.Struct(7, u => u.Bool(1, true).Struct(2, k => k.Struct(3, _ => { })))));
    }

    [Fact]
    public void Int96_is_a_timestamp_of_nanoseconds()
    {
        AssertText("\"1970-01-01 00:00:00\"", PhysicalType.Int96, [.. Longs(0), .. Ints(2_440_588)]);
        AssertText("\"1969-12-31 23:59:59.999999999\"", PhysicalType.Int96, [.. Longs(86_399_999_999_999), .. Ints(2_440_587)]);
        // As Spark wrote the year 290000 (parquet-testing, int96_from_spark.md).
        AssertText("\"290000-12-30 23:00:00\"", PhysicalType.Int96, [.. Longs(-32_509_551_616_000), .. Ints(-105_862_232)]);
    }

    [Fact]
    public void Uuids_intervals_and_text_have_their_usual_forms()
    {
        byte[] uuid = [.. Enumerable.Range(0, 16).Select(i => (byte)(i * 17))];
        AssertText("\"00112233-4455-6677-8899-aabbccddeeff\"", PhysicalType.FixedLenByteArray, uuid, 16, Logical(14));
        AssertText("\"1 year 2 months 1 day 00:00:01.5\"", PhysicalType.FixedLenByteArray, Ints(14, 1, 1500), 12, t => t.Int32(6, 21));
        AssertText("\"00:00:00\"", PhysicalType.FixedLenByteArray, Ints(0, 0, 0), 12, t => t.Int32(6, 21));
        foreach (int text in (int[])[0, 4, 19]) AssertText("\"a\\\"b\"", PhysicalType.ByteArray, Strings("a\"b"), annotate: t => t.Int32(6, text));
    }

    [Fact]
    public void Control_characters_and_quotes_are_escaped_and_nothing_else_is()
    {
        MemoryFile file = Column(PhysicalType.ByteArray, Strings("\b\t\n\f\r\u0001\u001f\"\\/\u007f"), 0, t => t.Int32(6, 0));
        Assert.Equal("{\"c\":\"\\b\\t\\n\\f\\r\\u0001\\u001F\\\"\\\\/\u007f\"}", Table.Lines(Table.Read(file))[0]);
    }

    [Fact]
    public void Bytes_are_base64_or_escaped_as_chosen()
    {
        MemoryFile file = Column(PhysicalType.FixedLenByteArray, [0xFF, (byte)'a', (byte)'\\', (byte)'"'], 4);
        Assert.Equal("{\"c\":\"/2FcIg==\"}", Table.Lines(Table.Read(file, format: new FormatOptions()))[0]);
        Assert.Equal("{\"c\":\"\\\\xFFa\\\\x5C\\\\x22\"}", Table.Lines(Table.Read(file, format: Table.LikeDuckDb))[0]);
        Assert.Equal("\\xFFa\\x5C\\x22", Table.Lines(Table.Read(file, csv: true, format: Table.LikeDuckDb))[1]);
    }

    [Fact]
    public void Text_that_is_not_UTF_8_is_an_error_unless_it_is_to_be_replaced()
    {
        MemoryFile file = Column(PhysicalType.FixedLenByteArray, [(byte)'a', 0xC3, (byte)'b'], 3, t => t.Int32(6, 0));
        Assert.Equal("c", Assert.Throws<TabularException>(() => Table.Read(file)).Column);
        Assert.Equal("{\"c\":\"a\uFFFDb\"}", Table.Lines(Table.Read(file, format: new FormatOptions { ReplaceInvalidUtf8 = true }))[0]);
    }

    [Fact]
    public void Csv_quotes_only_what_needs_it_and_tells_null_from_empty()
    {
        MemoryFile file = new ParquetBuilder(6)
            .Column("a,b", PhysicalType.ByteArray, 6, Page(6, 0, [.. Levels(1, 1, 1, 0, 1, 1, 1), .. Strings("x", "", "a,b", "say \"hi\"", "two\nlines")]), Repetition.Optional, annotate: t => t.Int32(6, 0))
            .Build();
        Assert.Equal("\"a,b\"\nx\n\"\"\n\n\"a,b\"\n\"say \"\"hi\"\"\"\n\"two\nlines\"\n", Table.Read(file, csv: true));
        Assert.StartsWith("x\n", Table.Read(file, csv: true, format: new FormatOptions { Header = false }), StringComparison.Ordinal);
    }

    [Fact]
    public void An_annotation_that_does_not_fit_its_type_is_ignored()
    {
        AssertText("7", PhysicalType.Int32, Ints(7), annotate: t => t.Int32(6, 0));
        AssertText("7", PhysicalType.Int64, Longs(7), annotate: t => t.Int32(6, 6));
        AssertText("7", PhysicalType.Int32, Ints(7), annotate: t => t.Struct(10, l => l.Struct(99, _ => { })));
    }

    static Action<ThriftWriter> Logical(int member) => t => t.Struct(10, l => l.Struct(member, _ => { }));

    static Action<ThriftWriter> Timestamp(bool utc, int unit) => t => t.Struct(10, l => l.Struct(8, u => u.Bool(1, utc).Struct(2, k => k.Struct(unit, _ => { }))));

    static void AssertText(string expected, PhysicalType type, byte[] plain, int length = 0, Action<ThriftWriter>? annotate = null) =>
        Assert.Equal(expected, Table.Lines(Table.Read(Column(type, plain, length, annotate)))[0][5..^1]);

    static MemoryFile Column(PhysicalType type, byte[] plain, int length, Action<ThriftWriter>? annotate = null) =>
        new ParquetBuilder(1).Column("c", type, 1, Page(1, 0, plain), length: length, annotate: annotate).Build();
}
