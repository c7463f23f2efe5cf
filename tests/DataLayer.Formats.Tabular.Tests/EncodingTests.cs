using System.Text;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Formats.Tabular.Parquet.Codecs;
using Xunit;
using static DataLayer.Formats.Tabular.Tests.ParquetBuilder;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Encodings and codecs that DuckDB does not write, byte by byte as parquet-format's Encodings.md has them.</summary>
public sealed class EncodingTests
{
    [Fact]
    public void Delta_byte_array_values_share_prefixes()
    {
        // axis, axle, babble, babyhood: the specification's own example.
        byte[] body = [.. Delta(0, 2, 0, 3), .. Delta(4, 2, 6, 5), .. "axislebabbleyhood"u8];
        AssertColumn(["axis", "axle", "babble", "babyhood"], PhysicalType.ByteArray, 7, body);
    }

    [Fact]
    public void Delta_length_values_follow_their_lengths() =>
        AssertColumn(["Hello", "World", "Foobar", "ABCDEF"], PhysicalType.ByteArray, 6, [.. Delta(5, 5, 6, 6), .. "HelloWorldFoobarABCDEF"u8]);

    [Fact]
    public void Delta_integers_wrap_around()
    {
        long[] values = [long.MinValue, long.MaxValue, 0, -1, 7, .. Enumerable.Range(0, 100).Select(i => i * 1_000_000_007L)];
        AssertColumn([.. values.Select(v => $"{v}")], PhysicalType.Int64, 5, Delta(values), quoted: false);
        int[] small = [int.MinValue, int.MaxValue, 0, -1];
        AssertColumn([.. small.Select(v => $"{v}")], PhysicalType.Int32, 5, Delta([.. small.Select(v => (long)v)]), quoted: false);
    }

    [Fact]
    public void Byte_stream_split_gathers_the_bytes_of_each_value()
    {
        byte[] plain = Ints(1, -2, 300_000);
        byte[] split = [.. Enumerable.Range(0, 4).SelectMany(b => Enumerable.Range(0, 3).Select(i => plain[4 * i + b]))];
        AssertColumn(["1", "-2", "300000"], PhysicalType.Int32, 9, split, quoted: false);
        AssertColumn(["abc", "def"], PhysicalType.FixedLenByteArray, 9, "adbecf"u8.ToArray(), length: 3);
    }

    [Fact]
    public void Booleans_may_be_runs()
    {
        byte[] runs = [3 << 1, 1, .. Hybrid(1, 0, 1, 0)];
        AssertColumn(["true", "true", "true", "false", "true", "false"], PhysicalType.Boolean, 3, [.. BitConverter.GetBytes(runs.Length), .. runs], quoted: false);
    }

    [Fact]
    public void Levels_may_be_bit_packed_from_the_highest_bit()
    {
        // 1 0 1 1 of one bit each.
        MemoryFile file = new ParquetBuilder(4)
            .Column("c", PhysicalType.Int32, 4, Page(4, 0, [0b1011_0000, .. Ints(7, 8, 9)], levelEncoding: 4), Repetition.Optional)
            .Build();
        Assert.Equal(["{\"c\":7}", "{\"c\":null}", "{\"c\":8}", "{\"c\":9}"], Table.Lines(Table.Read(file)));
    }

    [Fact]
    public void A_column_may_change_from_the_dictionary_to_plain_pages()
    {
        byte[] pages =
        [
            .. DictionaryPage(2, Strings("red", "green")),
            .. Page(3, 8, [1, .. Hybrid(1, 1, 0, 1)]),
            .. Page(1, 0, Strings("blue")),
            .. Page(1, 2, [1, .. Hybrid(1, 0)]),
        ];
        MemoryFile file = new ParquetBuilder(5).Column("c", PhysicalType.ByteArray, 5, pages, annotate: t => t.Int32(6, 0)).Build();
        Assert.Equal(["green", "red", "green", "blue", "red"], Values(file));
    }

    [Fact]
    public void Version_2_pages_have_levels_before_the_values_and_a_checksum_over_both()
    {
        byte[] definitions = Hybrid(1, 1, 0, 1);
        byte[] body = Ints(5, 6);
        int crc = unchecked((int)Crc32.Compute([.. definitions, .. body]));
        Assert.Equal(["{\"c\":5}", "{\"c\":null}", "{\"c\":6}"], Table.Lines(Table.Read(Build(crc))));
        TabularException error = Assert.Throws<TabularException>(() => Table.Read(Build(crc ^ 1)));
        Assert.Equal((TabularFault.Corrupt, "c", "built"), (error.Fault, error.Column, error.File));
        Assert.Contains("CRC-32", error.Message, StringComparison.Ordinal);

        MemoryFile Build(int checksum) => new ParquetBuilder(3)
            .Column("c", PhysicalType.Int32, 3, PageV2(3, 1, 3, 0, [], definitions, body, checksum), Repetition.Optional).Build();
    }

    [Fact]
    public void Crc_32_of_the_check_string_is_the_standard_value() => Assert.Equal(0xCBF43926u, Crc32.Compute("123456789"u8));

    [Fact]
    public void Lz4_is_read_raw_and_in_hadoop_framing()
    {
        byte[] plain = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("abcd", 20)));
        // Four literals, then a match of 71 at distance 4, and five literals to end with, as the format wants.
        byte[] block = [0x4F, .. "abcd"u8, 4, 0, 71 - 4 - 15, 0x50, .. "dabcd"u8];
        byte[] framed = [0, 0, 0, 80, 0, 0, 0, (byte)block.Length, .. block];
        foreach ((Codec codec, byte[] body) in new[] { (Codec.Lz4Raw, block), (Codec.Lz4, block), (Codec.Lz4, framed) })
        {
            MemoryFile file = new ParquetBuilder(20)
                .Column("c", PhysicalType.FixedLenByteArray, 20, Page(20, 0, body, uncompressed: 80), length: 4, annotate: t => t.Int32(6, 0), codec: codec).Build();
            Assert.Equal(Enumerable.Repeat("abcd", 20), Values(file));
            Assert.Equal(80, plain.Length);
        }
    }

    [Fact]
    public void Snappy_literals_and_overlapping_copies_decode()
    {
        // 30 bytes: the literal "ab", then a copy of 28 from distance 2.
        byte[] block = [30, 1 << 2, (byte)'a', (byte)'b', ((28 - 1) << 2) | 2, 2, 0];
        byte[] plain = new byte[30];
        Assert.True(SnappyBlock.TryDecompress(block, plain));
        Assert.Equal(string.Concat(Enumerable.Repeat("ab", 15)), Encoding.ASCII.GetString(plain));
        Assert.False(SnappyBlock.TryDecompress(block, new byte[29]));
        block[5] = 3;
        Assert.False(SnappyBlock.TryDecompress(block, plain));
    }

    [Fact]
    public void Lzo_and_unknown_codecs_are_refused_by_name()
    {
        MemoryFile lzo = new ParquetBuilder(1).Column("c", PhysicalType.Int32, 1, Page(1, 0, Ints(1)), codec: Codec.Lzo).Build();
        TabularException error = Assert.Throws<TabularException>(() => Table.Read(lzo));
        Assert.Equal(TabularFault.Unsupported, error.Fault);
        Assert.Contains("LZO", error.Message, StringComparison.Ordinal);
        MemoryFile unknown = new ParquetBuilder(1).Column("c", PhysicalType.Int32, 1, Page(1, 0, Ints(1)), codecNumber: 77).Build();
        Assert.Contains("codec 77", Assert.Throws<TabularException>(() => Table.Read(unknown)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Encodings_that_are_not_known_or_do_not_fit_are_refused()
    {
        foreach (int encoding in (int[])[1, 4, 6, 7, 10, 11, -1, int.MaxValue])
        {
            MemoryFile file = new ParquetBuilder(1).Column("c", PhysicalType.Int32, 1, Page(1, encoding, Ints(1))).Build();
            Assert.Equal(TabularFault.Unsupported, Assert.Throws<TabularException>(() => Table.Read(file)).Fault);
        }
    }

    static void AssertColumn(string[] expected, PhysicalType type, int encoding, byte[] body, int length = 0, bool quoted = true)
    {
        MemoryFile file = new ParquetBuilder(expected.Length)
            .Column("c", type, expected.Length, Page(expected.Length, encoding, body), length: length, annotate: quoted ? t => t.Int32(6, 0) : null).Build();
        Assert.Equal(expected, Values(file));
        // The same in batches of three rows, since decoders go on where they stopped.
        Assert.Equal(Table.Read(file), Table.Read(file, options: new ParquetReadOptions { BatchRows = 3 }));
    }

    /// <summary>The values of the only column, without quotes.</summary>
    static string[] Values(MemoryFile file) => [.. Table.Lines(Table.Read(file)).Select(line => line[5..^1].Trim('"'))];
}
