using System.Buffers.Binary;
using DataLayer.Formats.Tabular.Parquet;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>
/// Puts Parquet files together byte by byte, for what DuckDB does not write and for what no writer should. One row
/// group; pages are given as their bytes.
/// </summary>
internal sealed class ParquetBuilder(long rows)
{
    readonly List<byte[]> schema = [];
    readonly List<byte[]> chunks = [];
    readonly List<byte> file = [.. "PAR1"u8];

    /// <summary>The root's field count; set when it is not the number of elements.</summary>
    public int? RootChildren { get; set; }

    public ParquetBuilder Group(string name, Repetition repetition, int children, int converted = -1)
    {
        schema.Add(ThriftWriter.Struct(t =>
        {
            t.Int32(3, (int)repetition).Text(4, name).Int32(5, children);
            if (converted >= 0) t.Int32(6, converted);
        }));
        return this;
    }

    /// <summary>A leaf and its chunk. <paramref name="annotate"/> adds fields from 6 on to its schema element.</summary>
    public ParquetBuilder Column(
        string name,
        PhysicalType type,
        long values,
        byte[] pages,
        Repetition repetition = Repetition.Required,
        int length = 0,
        Action<ThriftWriter>? annotate = null,
        Codec codec = Codec.Uncompressed,
        int? codecNumber = null)
    {
        schema.Add(ThriftWriter.Struct(t =>
        {
            t.Int32(1, (int)type).Int32(2, length).Int32(3, (int)repetition).Text(4, name);
            annotate?.Invoke(t);
        }));
        int offset = file.Count;
        file.AddRange(pages);
        chunks.Add(ThriftWriter.Struct(t => t.Int64(2, 0).Struct(3, m => m
            .Int32(1, (int)type).Int32(4, codecNumber ?? (int)codec).Int64(5, values).Int64(6, pages.Length).Int64(7, pages.Length).Int64(9, offset))));
        return this;
    }

    public MemoryFile Build(string name = "built")
    {
        // Repeated groups hold the leaves after them, so the tests that use groups say how many fields the root has.
        byte[] root = ThriftWriter.Struct(t => t.Text(4, "root").Int32(5, RootChildren ?? schema.Count));
        return Finish(ThriftWriter.Struct(t => t
            .Int32(1, 1).Structs(2, [root, .. schema]).Int64(3, rows)
            .Structs(4, ThriftWriter.Struct(g => g.Structs(1, chunks).Int64(2, 0).Int64(3, rows)))), name);
    }

    /// <summary>The pages so far, then a footer of any bytes.</summary>
    public MemoryFile Finish(byte[] footer, string name = "built")
    {
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, footer.Length);
        return new MemoryFile(name, (byte[])[.. file, .. footer, .. length, .. "PAR1"u8]);
    }

    /// <summary>A version 1 data page.</summary>
    public static byte[] Page(int values, int encoding, byte[] body, int? uncompressed = null, int? crc = null, int levelEncoding = 3) =>
    [
        .. ThriftWriter.Struct(t =>
        {
            t.Int32(1, 0).Int32(2, uncompressed ?? body.Length).Int32(3, body.Length);
            if (crc is not null) t.Int32(4, crc.Value);
            t.Struct(5, d => d.Int32(1, values).Int32(2, encoding).Int32(3, levelEncoding).Int32(4, levelEncoding));
        }),
        .. body,
    ];

    /// <summary>A version 2 data page, its values not compressed.</summary>
    public static byte[] PageV2(int values, int nulls, int rows, int encoding, byte[] repetitions, byte[] definitions, byte[] body, int? crc = null) =>
    [
        .. ThriftWriter.Struct(t =>
        {
            int size = repetitions.Length + definitions.Length + body.Length;
            t.Int32(1, 3).Int32(2, size).Int32(3, size);
            if (crc is not null) t.Int32(4, crc.Value);
            t.Struct(8, d => d.Int32(1, values).Int32(2, nulls).Int32(3, rows).Int32(4, encoding).Int32(5, definitions.Length).Int32(6, repetitions.Length).Bool(7, false));
        }),
        .. repetitions, .. definitions, .. body,
    ];

    public static byte[] DictionaryPage(int values, byte[] body, int? uncompressed = null) =>
        [.. ThriftWriter.Struct(t => t.Int32(1, 2).Int32(2, uncompressed ?? body.Length).Int32(3, body.Length).Struct(7, d => d.Int32(1, values).Int32(2, 0))), .. body];

    /// <summary>Levels of a version 1 page: a bit-packed run of the hybrid, after its length.</summary>
    public static byte[] Levels(int width, params int[] levels)
    {
        byte[] runs = Hybrid(width, levels);
        return [.. BitConverter.GetBytes(runs.Length), .. runs];
    }

    /// <summary>One bit-packed run of the hybrid.</summary>
    public static byte[] Hybrid(int width, params int[] values)
    {
        int groups = (values.Length + 7) / 8;
        byte[] packed = new byte[groups * width];
        for (int i = 0; i < values.Length; i++)
        {
            for (int b = 0; b < width; b++)
            {
                int bit = i * width + b;
                packed[bit >> 3] |= (byte)(((values[i] >> b) & 1) << (bit & 7));
            }
        }
        List<byte> header = [];
        VarInt(header, ((ulong)groups << 1) | 1);
        return [.. header, .. packed];
    }

    public static byte[] Strings(params string[] values) =>
        [.. values.SelectMany(v => (byte[])[.. BitConverter.GetBytes(v.Length), .. System.Text.Encoding.ASCII.GetBytes(v)])];

    public static byte[] Ints(params int[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    public static byte[] Longs(params long[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    /// <summary>DELTA_BINARY_PACKED of one block with miniblocks of 32 values.</summary>
    public static byte[] Delta(params long[] values)
    {
        List<byte> bytes = [128, 1, 4];
        VarInt(bytes, (ulong)values.Length);
        ZigZag(bytes, values.Length > 0 ? values[0] : 0);
        if (values.Length < 2) return [.. bytes];
        long[] deltas = [.. values.Zip(values.Skip(1), (a, b) => unchecked(b - a))];
        long smallest = deltas.Min();
        ZigZag(bytes, smallest);
        byte[] widths = new byte[4];
        List<byte> packed = [];
        for (int mini = 0; mini < 4; mini++)
        {
            ulong[] part = [.. deltas.Skip(32 * mini).Take(32).Select(d => unchecked((ulong)(d - smallest)))];
            if (part.Length == 0) break;
            int width = part.Max(v => 64 - System.Numerics.BitOperations.LeadingZeroCount(v));
            widths[mini] = (byte)width;
            byte[] bits = new byte[4 * width];
            for (int i = 0; i < part.Length; i++)
            {
                for (int b = 0; b < width; b++)
                {
                    int bit = i * width + b;
                    bits[bit >> 3] |= (byte)(((part[i] >> b) & 1) << (bit & 7));
                }
            }
            packed.AddRange(bits);
        }
        return [.. bytes, .. widths, .. packed];
    }

    static void ZigZag(List<byte> bytes, long value) => VarInt(bytes, (ulong)((value << 1) ^ (value >> 63)));

    static void VarInt(List<byte> bytes, ulong value)
    {
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }
}
