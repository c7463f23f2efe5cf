using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>
/// What the footers of several files say of one column together: nulls, smallest and largest value. Bounds that are
/// absent, contradict their type or have no order that all writers agree on make the whole unknown; nothing is guessed.
/// </summary>
public sealed class ColumnBounds
{
    // Longer bounds say nothing more to a reader of statistics.
    const int LongestBound = 256;

    readonly SchemaNode leaf;
    readonly bool ordered;
    byte[]? min;
    byte[]? max;
    bool unknown;

    public ColumnBounds(SchemaNode leaf)
    {
        this.leaf = leaf;
        ordered = leaf.Physical != PhysicalType.Int96 && leaf.Logical.Kind is not (LogicalKind.Interval or LogicalKind.Geometry or LogicalKind.Geography or LogicalKind.Variant or LogicalKind.Float16 or LogicalKind.Bson);
    }

    /// <summary>Nulls in all row groups added; null when one does not say.</summary>
    public long? NullCount { get; private set; } = 0;

    public void Add(ColumnChunk chunk)
    {
        ColumnStatistics? statistics = chunk.Statistics;
        NullCount = NullCount is { } nulls && statistics?.NullCount is { } more and >= 0 && more <= long.MaxValue - nulls ? nulls + more : null;
        if (statistics?.NullCount == chunk.ValueCount) return;
        if (!ordered || statistics?.Min is not { } low || statistics.Max is not { } high || !IsValue(low.Span) || !IsValue(high.Span)
            || (statistics.BoundsAreDeprecated && !IsSigned))
        {
            unknown = true;
            return;
        }
        if (min is null || Compare(low.Span, min) < 0) min = low.ToArray();
        if (max is null || Compare(high.Span, max) > 0) max = high.ToArray();
    }

    /// <summary>The smallest value as JSON, or null when it is unknown or there is none.</summary>
    public string? MinAsJson => unknown ? null : Json(min);

    /// <summary>The largest value as JSON.</summary>
    public string? MaxAsJson => unknown ? null : Json(max);

    bool IsUnsigned => leaf.Logical is { Kind: LogicalKind.Integer, Signed: false };

    bool IsSigned => leaf.Physical is PhysicalType.Int32 or PhysicalType.Int64 or PhysicalType.Float or PhysicalType.Double && !IsUnsigned;

    bool IsValue(ReadOnlySpan<byte> plain) => leaf.Physical switch
    {
        PhysicalType.Boolean => plain.Length == 1,
        PhysicalType.Int32 => plain.Length == 4,
        PhysicalType.Int64 => plain.Length == 8,
        PhysicalType.Float => plain.Length == 4 && !float.IsNaN(MemoryMarshal.Read<float>(plain)),
        PhysicalType.Double => plain.Length == 8 && !double.IsNaN(MemoryMarshal.Read<double>(plain)),
        PhysicalType.FixedLenByteArray => plain.Length == leaf.TypeLength && plain.Length <= LongestBound,
        _ => plain.Length <= LongestBound,
    };

    int Compare(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => (leaf.Physical, IsUnsigned) switch
    {
        (PhysicalType.Int32, false) => MemoryMarshal.Read<int>(a).CompareTo(MemoryMarshal.Read<int>(b)),
        (PhysicalType.Int32, true) => MemoryMarshal.Read<uint>(a).CompareTo(MemoryMarshal.Read<uint>(b)),
        (PhysicalType.Int64, false) => MemoryMarshal.Read<long>(a).CompareTo(MemoryMarshal.Read<long>(b)),
        (PhysicalType.Int64, true) => MemoryMarshal.Read<ulong>(a).CompareTo(MemoryMarshal.Read<ulong>(b)),
        (PhysicalType.Float, _) => MemoryMarshal.Read<float>(a).CompareTo(MemoryMarshal.Read<float>(b)),
        (PhysicalType.Double, _) => MemoryMarshal.Read<double>(a).CompareTo(MemoryMarshal.Read<double>(b)),
        (_, _) when leaf.Logical.Kind == LogicalKind.Decimal => new BigInteger(a, isBigEndian: true).CompareTo(new BigInteger(b, isBigEndian: true)),
        _ => a.SequenceCompareTo(b),
    };

    string? Json(byte[]? plain)
    {
        if (plain is null) return null;
        var site = new FaultSite("statistics", leaf.Path);
        using var vector = new ColumnVector(leaf, new MemoryBudget(1 << 20), site);
        using var output = new RowOutput();
        using var writer = new JsonValueWriter([new LeafText(leaf, new FormatOptions { ReplaceInvalidUtf8 = true })]);
        try
        {
            if (vector.ValueSize > 0) plain.CopyTo(vector.AppendFixed(1));
            else vector.AppendSlices(1)[0] = new ByteSlice(vector.Adopt(Rented(plain, site, vector)), 0, plain.Length);
            writer.WriteValue(0, vector, 0, site, output);
        }
        catch (TabularException)
        {
            // Statistics are a hint: one whose value has no text is as good as none.
            return null;
        }
        return Encoding.UTF8.GetString(output.Written.Span);
    }

    static byte[] Rented(byte[] bytes, FaultSite site, ColumnVector vector)
    {
        byte[] buffer = vector.Budget.Rent(bytes.Length, site);
        bytes.CopyTo(buffer, 0);
        return buffer;
    }
}
