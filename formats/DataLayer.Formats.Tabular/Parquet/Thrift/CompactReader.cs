using System.Text;

namespace DataLayer.Formats.Tabular.Parquet.Thrift;

/// <summary>Type codes of the Thrift compact protocol, as they stand in field and list headers.</summary>
internal enum CompactType
{
    Stop = 0,
    True = 1,
    False = 2,
    I8 = 3,
    I16 = 4,
    I32 = 5,
    I64 = 6,
    Double = 7,
    Binary = 8,
    List = 9,
    Set = 10,
    Map = 11,
    Struct = 12,
    Uuid = 13,
}

/// <summary>
/// Reads Thrift compact structs from untrusted bytes. It never throws: the first problem is kept in
/// <see cref="Failure"/>, after which every read answers zero and every field loop ends, so that the caller decides
/// whether more bytes would help (<see cref="Truncated"/>) or the file is corrupt. No list is believed to be longer
/// than the bytes that are left.
/// </summary>
internal ref struct CompactReader(ReadOnlySpan<byte> data)
{
    // Deeper than any struct of parquet.thrift, including fields that later versions may add.
    const int MaxDepth = 32;

    readonly ReadOnlySpan<byte> data = data;

    public int Position { get; private set; }

    public string? Failure { get; private set; }

    /// <summary>The failure is that the bytes ended.</summary>
    public bool Truncated { get; private set; }

    public readonly bool Failed => Failure is not null;

    /// <summary>The next field of the current struct; false at its end. <paramref name="id"/> starts at 0 for a struct.</summary>
    public bool NextField(ref int id, out CompactType type)
    {
        type = CompactType.Stop;
        int header = ReadByte();
        if (header == 0) return false;
        int delta = header >> 4;
        id = delta != 0 ? id + delta : (int)ReadZigZag();
        type = (CompactType)(header & 15);
        if (type is < CompactType.True or > CompactType.Uuid)
        {
            Fail($"Thrift type {(int)type} does not exist");
            return false;
        }
        return !Failed;
    }

    public bool ReadBool(CompactType type)
    {
        if (type is not (CompactType.True or CompactType.False)) Fail("a Thrift bool was expected");
        return type == CompactType.True;
    }

    public int ReadInt32(CompactType type)
    {
        long value = ReadInt64(type);
        if (value is < int.MinValue or > int.MaxValue) Fail($"{value} does not fit 32 bits");
        return Failed ? 0 : (int)value;
    }

    public long ReadInt64(CompactType type)
    {
        switch (type)
        {
            case CompactType.I8: return (sbyte)ReadByte();
            case CompactType.I16 or CompactType.I32 or CompactType.I64: return ReadZigZag();
            default:
                Fail("a Thrift integer was expected");
                return 0;
        }
    }

    public ReadOnlySpan<byte> ReadBinary(CompactType type) => ReadBinary(type, out _);

    /// <summary>The bytes, and where they start in the data.</summary>
    public ReadOnlySpan<byte> ReadBinary(CompactType type, out int start)
    {
        start = Position;
        if (type != CompactType.Binary)
        {
            Fail("a Thrift string was expected");
            return default;
        }
        ulong length = ReadVarInt();
        if (!Need(length)) return default;
        start = Position;
        Position += (int)length;
        return data.Slice(start, (int)length);
    }

    public string ReadString(CompactType type) => Encoding.UTF8.GetString(ReadBinary(type));

    /// <summary>The element count of a list; at most one per byte that is left.</summary>
    public int ReadList(CompactType type, out CompactType element)
    {
        element = CompactType.Stop;
        if (type is not (CompactType.List or CompactType.Set))
        {
            Fail("a Thrift list was expected");
            return 0;
        }
        int header = ReadByte();
        ulong count = (ulong)(header >> 4);
        if (count == 15) count = ReadVarInt();
        element = (CompactType)(header & 15);
        if (count > 0 && element is < CompactType.True or > CompactType.Uuid) Fail($"Thrift type {(int)element} does not exist");
        return Need(count) ? (int)count : 0;
    }

    /// <summary>A bool as a list element, which is a byte of its own.</summary>
    public bool ReadListBool(CompactType element)
    {
        if (element is not (CompactType.True or CompactType.False)) Fail("a Thrift bool was expected");
        return ReadByte() == 1;
    }

    public void ExpectStruct(CompactType type)
    {
        if (type != CompactType.Struct) Fail("a Thrift struct was expected");
    }

    public void Skip(CompactType type) => Skip(type, 0, isElement: false);

    void Skip(CompactType type, int depth, bool isElement)
    {
        if (depth > MaxDepth)
        {
            Fail($"Thrift structs are nested deeper than {MaxDepth}");
            return;
        }
        switch (type)
        {
            case CompactType.True or CompactType.False:
                if (isElement) ReadByte();
                break;
            case CompactType.I8: ReadByte(); break;
            case CompactType.I16 or CompactType.I32 or CompactType.I64: ReadVarInt(); break;
            case CompactType.Double: Advance(8); break;
            case CompactType.Uuid: Advance(16); break;
            case CompactType.Binary: ReadBinary(type); break;
            case CompactType.List or CompactType.Set:
                int count = ReadList(type, out CompactType element);
                for (int i = 0; i < count && !Failed; i++) Skip(element, depth + 1, isElement: true);
                break;
            case CompactType.Map:
                ulong pairs = ReadVarInt();
                if (pairs == 0 || !Need(pairs)) break;
                int types = ReadByte();
                for (ulong i = 0; i < pairs && !Failed; i++)
                {
                    Skip((CompactType)(types >> 4), depth + 1, isElement: true);
                    Skip((CompactType)(types & 15), depth + 1, isElement: true);
                }
                break;
            case CompactType.Struct:
                int id = 0;
                while (NextField(ref id, out CompactType field)) Skip(field, depth + 1, isElement: false);
                break;
            default: Fail($"Thrift type {(int)type} does not exist"); break;
        }
    }

    public void Fail(string reason) => Failure ??= reason;

    byte ReadByte()
    {
        if (Failed || !Need(1)) return 0;
        return data[Position++];
    }

    void Advance(int bytes)
    {
        if (Need((ulong)bytes)) Position += bytes;
    }

    bool Need(ulong bytes)
    {
        if (Failed) return false;
        if (bytes <= (ulong)(data.Length - Position)) return true;
        Truncated = true;
        Fail("the Thrift struct ends in the middle");
        return false;
    }

    long ReadZigZag()
    {
        ulong raw = ReadVarInt();
        return (long)(raw >> 1) ^ -(long)(raw & 1);
    }

    ulong ReadVarInt()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte b = ReadByte();
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return Failed ? 0 : value;
        }
        Fail("a Thrift integer is longer than 10 bytes");
        return 0;
    }
}
