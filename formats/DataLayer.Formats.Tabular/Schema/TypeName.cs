using System.Globalization;

namespace DataLayer.Formats.Tabular;

/// <summary>What a field of a Parquet schema is called in MaxCompute's SQL and in Parquet's own words.</summary>
public static class TypeName
{
    /// <summary>The MaxCompute type (data type edition 2.0) whose values the field can hold, such as <c>ARRAY&lt;BIGINT&gt;</c>.</summary>
    public static string Odps(SchemaNode field) => Odps(RowShape.Of(field));

    /// <summary>Physical and logical type of a column, or the kind of group.</summary>
    public static string Parquet(SchemaNode field)
    {
        string logical = field.Logical.Kind == LogicalKind.None ? "" : $" ({field.Logical})";
        if (!field.IsLeaf) return field.Logical.Kind == LogicalKind.None ? "group" : $"group{logical}";
        return PhysicalName(field) + logical;
    }

    /// <summary>As parquet.thrift writes it.</summary>
    static string PhysicalName(SchemaNode leaf) => leaf.Physical switch
    {
        PhysicalType.ByteArray => "BYTE_ARRAY",
        PhysicalType.FixedLenByteArray => string.Create(CultureInfo.InvariantCulture, $"FIXED_LEN_BYTE_ARRAY[{leaf.TypeLength}]"),
        _ => $"{leaf.Physical}".ToUpperInvariant(),
    };

    static string Odps(RowShape shape) => shape.Kind switch
    {
        ShapeKind.List => $"ARRAY<{Odps(shape.Children[0])}>",
        ShapeKind.Map => $"MAP<{Odps(shape.Children[0])},{(shape.Children.Count > 1 ? Odps(shape.Children[1]) : "STRING")}>",
        ShapeKind.Struct => $"STRUCT<{string.Join(',', shape.Children.Select(child => $"{child.Name}:{Odps(child)}"))}>",
        _ => OdpsOfLeaf(shape.Leaf!),
    };

    static string OdpsOfLeaf(SchemaNode leaf)
    {
        LogicalType logical = leaf.Logical;
        return logical.Kind switch
        {
            LogicalKind.Decimal => string.Create(CultureInfo.InvariantCulture, $"DECIMAL({logical.Precision},{logical.Scale})"),
            LogicalKind.Date => "DATE",
            LogicalKind.Timestamp when logical.UtcAdjusted => logical.Unit == TimeUnit.Milliseconds ? "DATETIME" : "TIMESTAMP",
            LogicalKind.Timestamp => "TIMESTAMP_NTZ",
            LogicalKind.String or LogicalKind.Enum or LogicalKind.Uuid => "STRING",
            LogicalKind.Json => "JSON",
            LogicalKind.Float16 => "FLOAT",
            // The next wider type where MaxCompute, which has no unsigned ones, needs it.
            LogicalKind.Integer => (logical.BitWidth, logical.Signed) switch
            {
                (8, true) => "TINYINT",
                (8, false) or (16, true) => "SMALLINT",
                (16, false) or (32, true) => "INT",
                (64, false) => "DECIMAL(20,0)",
                _ => "BIGINT",
            },
            _ => leaf.Physical switch
            {
                PhysicalType.Boolean => "BOOLEAN",
                PhysicalType.Int32 => "INT",
                PhysicalType.Int64 => "BIGINT",
                PhysicalType.Int96 => "TIMESTAMP",
                PhysicalType.Float => "FLOAT",
                PhysicalType.Double => "DOUBLE",
                _ => "BINARY",
            },
        };
    }
}
