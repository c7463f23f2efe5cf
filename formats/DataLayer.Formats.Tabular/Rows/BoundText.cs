using System.Text;
using DataLayer.Formats.Tabular.Parquet;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>The bounds of a column chunk's statistics as JSON values, written as rows would show them.</summary>
public static class BoundText
{
    /// <summary>The smallest value, or null when the footer has none that can be trusted.</summary>
    public static string? Min(ColumnChunk chunk, FormatOptions? options = null) => Write(chunk, chunk.Statistics?.Min, options);

    /// <summary>The largest value, or null when the footer has none that can be trusted.</summary>
    public static string? Max(ColumnChunk chunk, FormatOptions? options = null) => Write(chunk, chunk.Statistics?.Max, options);

    static string? Write(ColumnChunk chunk, ReadOnlyMemory<byte>? bound, FormatOptions? options)
    {
        SchemaNode leaf = chunk.Column;
        if (bound is not { } bytes || (chunk.Statistics!.BoundsAreDeprecated && !HasSignedOrder(leaf))) return null;
        // parquet-format defines no order for these, and writers' bounds of them are arbitrary.
        if (leaf.Physical == PhysicalType.Int96 || leaf.Logical.Kind == LogicalKind.Interval) return null;
        var site = new FaultSite("statistics", leaf.Path);
        var budget = new MemoryBudget(4L * bytes.Length + (1 << 16));
        using var vector = new ColumnVector(leaf, budget, site);
        if (vector.ValueSize > 0)
        {
            if (bytes.Length != vector.ValueSize) return null;
            bytes.Span.CopyTo(vector.AppendFixed(1));
        }
        else
        {
            if (leaf.TypeLength > 0 && bytes.Length != leaf.TypeLength) return null;
            byte[] copy = budget.Rent(bytes.Length, site);
            bytes.Span.CopyTo(copy);
            int slot = vector.Adopt(copy);
            vector.AppendSlices(1)[0] = new ByteSlice(slot, 0, bytes.Length);
        }
        // Bounds of text may be cut in the middle of a character.
        var text = new LeafText(leaf, (options ?? new()) with { ReplaceInvalidUtf8 = true });
        using var values = new JsonValueWriter([text]);
        using var output = new RowOutput();
        values.WriteValue(0, vector, 0, site, output);
        return Encoding.UTF8.GetString(output.Written.Span);
    }

    static bool HasSignedOrder(SchemaNode leaf) => leaf.Physical switch
    {
        PhysicalType.Float or PhysicalType.Double or PhysicalType.Boolean => true,
        PhysicalType.Int32 or PhysicalType.Int64 => leaf.Logical is not { Kind: LogicalKind.Integer, Signed: false },
        _ => false,
    };
}
