using System.Text;
using DataLayer.Formats.Tabular.Parquet.Thrift;

namespace DataLayer.Formats.Tabular.Tests;

/// <summary>Writes Thrift compact structs, valid or with whatever values a test wants to be wrong.</summary>
internal sealed class ThriftWriter
{
    readonly List<byte> bytes = [];
    int lastId;

    public static byte[] Struct(Action<ThriftWriter> fields)
    {
        var writer = new ThriftWriter();
        fields(writer);
        writer.bytes.Add(0);
        return [.. writer.bytes];
    }

    public ThriftWriter Int32(int id, long value) => Integer(id, CompactType.I32, value);

    public ThriftWriter Int64(int id, long value) => Integer(id, CompactType.I64, value);

    public ThriftWriter Bool(int id, bool value) => Field(id, value ? CompactType.True : CompactType.False);

    public ThriftWriter Text(int id, string value)
    {
        Field(id, CompactType.Binary);
        byte[] utf8 = Encoding.UTF8.GetBytes(value);
        VarInt((ulong)utf8.Length);
        bytes.AddRange(utf8);
        return this;
    }

    public ThriftWriter Struct(int id, Action<ThriftWriter> fields) => Raw(id, CompactType.Struct, Struct(fields));

    public ThriftWriter Structs(int id, params IReadOnlyList<byte[]> items)
    {
        ListHeader(id, CompactType.Struct, items.Count);
        foreach (byte[] item in items) bytes.AddRange(item);
        return this;
    }

    public ThriftWriter ListHeader(int id, CompactType element, long count)
    {
        Field(id, CompactType.List);
        if (count < 15)
        {
            bytes.Add((byte)((int)count * 16 + (int)element));
            return this;
        }
        bytes.Add((byte)(0xF0 | (int)element));
        VarInt((ulong)count);
        return this;
    }

    public ThriftWriter Raw(int id, CompactType type, ReadOnlySpan<byte> content)
    {
        Field(id, type);
        bytes.AddRange(content);
        return this;
    }

    ThriftWriter Integer(int id, CompactType type, long value)
    {
        Field(id, type);
        VarInt((ulong)((value << 1) ^ (value >> 63)));
        return this;
    }

    ThriftWriter Field(int id, CompactType type)
    {
        bytes.Add((byte)(((id - lastId) << 4) | (int)type));
        lastId = id;
        return this;
    }

    void VarInt(ulong value)
    {
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }
}
