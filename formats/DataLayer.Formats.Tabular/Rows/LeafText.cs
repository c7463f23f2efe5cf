using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>How the values of one column are written; decided once per column.</summary>
internal enum LeafKind
{
    Boolean,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float,
    Double,
    Float16,
    DecimalInt32,
    DecimalInt64,
    DecimalBytes,
    // From here on JSON puts the value in quotes.
    Date,
    Time32,
    Time64,
    Timestamp,
    Int96,
    Uuid,
    Interval,
    Base64,
    // From here on the characters may need escaping.
    Escaped,
    Text,
}

/// <summary>Writes the values of one column as characters, without quotes.</summary>
internal sealed class LeafText
{
    // Decimal256 of Arrow has 32 bytes. Turning a number into digits takes quadratic time, so there must be a bound.
    const int LongestDecimal = 256;

    readonly SchemaNode leaf;
    readonly int scale;
    readonly int fractionDigits;
    readonly bool utc;
    readonly bool replaceInvalid;

    public LeafText(SchemaNode leaf, FormatOptions options)
    {
        this.leaf = leaf;
        LogicalType logical = leaf.Logical;
        scale = logical.Scale;
        fractionDigits = 3 + 3 * (int)logical.Unit;
        utc = logical.UtcAdjusted;
        replaceInvalid = options.ReplaceInvalidUtf8;
        LeafKind binary = options.Binary == BinaryText.Base64 ? LeafKind.Base64 : LeafKind.Escaped;
        bool unsigned = logical is { Kind: LogicalKind.Integer, Signed: false };
        Kind = (leaf.Physical, logical.Kind) switch
        {
            (PhysicalType.Int32, LogicalKind.Decimal) => LeafKind.DecimalInt32,
            (PhysicalType.Int64, LogicalKind.Decimal) => LeafKind.DecimalInt64,
            (_, LogicalKind.Decimal) => LeafKind.DecimalBytes,
            (PhysicalType.Int32, LogicalKind.Date) => LeafKind.Date,
            (PhysicalType.Int32, LogicalKind.Time) => LeafKind.Time32,
            (PhysicalType.Int64, LogicalKind.Time) => LeafKind.Time64,
            (PhysicalType.Int64, LogicalKind.Timestamp) => LeafKind.Timestamp,
            (_, LogicalKind.String or LogicalKind.Enum or LogicalKind.Json) => LeafKind.Text,
            (_, LogicalKind.Uuid) => LeafKind.Uuid,
            (_, LogicalKind.Float16) => LeafKind.Float16,
            (_, LogicalKind.Interval) => LeafKind.Interval,
            (PhysicalType.Boolean, _) => LeafKind.Boolean,
            (PhysicalType.Int32, _) => unsigned ? LeafKind.UInt32 : LeafKind.Int32,
            (PhysicalType.Int64, _) => unsigned ? LeafKind.UInt64 : LeafKind.Int64,
            (PhysicalType.Float, _) => LeafKind.Float,
            (PhysicalType.Double, _) => LeafKind.Double,
            (PhysicalType.Int96, _) => LeafKind.Int96,
            _ => binary,
        };
    }

    public LeafKind Kind { get; }

    /// <summary>Writes value <paramref name="index"/> of the vector. Text kinds are not: they depend on the format's escaping.</summary>
    public void Write(RowOutput output, ColumnVector vector, int index, FaultSite site)
    {
        switch (Kind)
        {
            case LeafKind.Boolean: output.Write(vector.FixedBytes[index] != 0 ? "true"u8 : "false"u8); break;
            case LeafKind.Int32: NumberText.Write(output, (long)vector.Values<int>()[index]); break;
            case LeafKind.UInt32: NumberText.Write(output, (long)vector.Values<uint>()[index]); break;
            case LeafKind.Int64: NumberText.Write(output, vector.Values<long>()[index]); break;
            case LeafKind.UInt64: NumberText.Write(output, vector.Values<ulong>()[index]); break;
            case LeafKind.Float: NumberText.Write(output, vector.Values<float>()[index]); break;
            case LeafKind.Double: NumberText.Write(output, vector.Values<double>()[index]); break;
            case LeafKind.Float16: NumberText.Write(output, (float)BitConverter.ToHalf(Bytes(vector, index))); break;
            case LeafKind.DecimalInt32: NumberText.WriteDecimal(output, vector.Values<int>()[index], scale); break;
            case LeafKind.DecimalInt64: NumberText.WriteDecimal(output, vector.Values<long>()[index], scale); break;
            case LeafKind.DecimalBytes: NumberText.WriteDecimal(output, DecimalBytes(vector, index, site), scale); break;
            case LeafKind.Date: TimeText.WriteDate(output, vector.Values<int>()[index]); break;
            case LeafKind.Time32: TimeText.WriteTime(output, vector.Values<int>()[index], fractionDigits); break;
            case LeafKind.Time64: TimeText.WriteTime(output, vector.Values<long>()[index], fractionDigits); break;
            case LeafKind.Timestamp: TimeText.WriteTimestamp(output, vector.Values<long>()[index], fractionDigits, utc); break;
            case LeafKind.Int96: TimeText.WriteTimestamp(output, vector.Values<Int96>()[index]); break;
            case LeafKind.Uuid: WriteUuid(output, Bytes(vector, index)); break;
            case LeafKind.Interval: TimeText.WriteInterval(output, Bytes(vector, index)); break;
            case LeafKind.Base64: WriteBase64(output, Bytes(vector, index)); break;
            case LeafKind.Escaped: WriteEscaped(output, Bytes(vector, index)); break;
            default: throw new InvalidOperationException($"{Kind} values are escaped by the format");
        }
    }

    /// <summary>Whether a value of a kind that JSON writes bare has no JSON number.</summary>
    public bool IsWord(ColumnVector vector, int index) => Kind switch
    {
        LeafKind.Double => !double.IsFinite(vector.Values<double>()[index]),
        LeafKind.Float => !float.IsFinite(vector.Values<float>()[index]),
        LeafKind.Float16 => !Half.IsFinite(BitConverter.ToHalf(Bytes(vector, index))),
        _ => false,
    };

    /// <summary>The UTF-8 of a text value, checked.</summary>
    public ReadOnlySpan<byte> Text(ColumnVector vector, int index, FaultSite site)
    {
        ReadOnlySpan<byte> bytes = Bytes(vector, index);
        if (Utf8.IsValid(bytes)) return bytes;
        if (!replaceInvalid)
        {
            throw site.Corrupt("a value of a text column is not UTF-8: leave the column out, or have invalid bytes replaced");
        }
        return Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes));
    }

    static ReadOnlySpan<byte> Bytes(ColumnVector vector, int index) => vector.Bytes(vector.Slices[index]);

    ReadOnlySpan<byte> DecimalBytes(ColumnVector vector, int index, FaultSite site)
    {
        ReadOnlySpan<byte> bytes = Bytes(vector, index);
        if (bytes.Length > LongestDecimal || scale > 3 * LongestDecimal)
        {
            throw site.Unsupported($"a decimal of {bytes.Length} bytes and scale {scale}; {LongestDecimal} bytes are the most");
        }
        return bytes;
    }

    static void WriteUuid(RowOutput output, ReadOnlySpan<byte> bytes)
    {
        new Guid(bytes, bigEndian: true).TryFormat(output.Room(36), out int written);
        output.Advance(written);
    }

    static void WriteBase64(RowOutput output, ReadOnlySpan<byte> bytes)
    {
        // The longest input whose text is still an int.
        if (bytes.Length > 1_600_000_000) throw new OutputTooLongException();
        Base64.EncodeToUtf8(bytes, output.Room(Base64.GetMaxEncodedToUtf8Length(bytes.Length)), out _, out int written);
        output.Advance(written);
    }

    static void WriteEscaped(RowOutput output, ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            if (b is >= 32 and <= 126 and not ((byte)'\\' or (byte)'\'' or (byte)'"'))
            {
                output.Write(b);
                continue;
            }
            Span<byte> room = output.Room(4);
            room[0] = (byte)'\\';
            room[1] = (byte)'x';
            room[2] = Hex(b >> 4);
            room[3] = Hex(b & 15);
            output.Advance(4);
        }
    }

    static byte Hex(int nibble) => (byte)(nibble < 10 ? '0' + nibble : 'A' + nibble - 10);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{leaf.Path} as {Kind}");
}
