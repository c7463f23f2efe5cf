namespace DataLayer.Formats.Tabular;

/// <summary>What stored values mean.</summary>
public enum LogicalKind
{
    None,
    String,
    Enum,
    Json,
    Bson,
    Uuid,
    Float16,
    Decimal,
    Date,
    Time,
    Timestamp,
    Integer,
    Interval,
    Null,
    List,
    Map,
    Variant,
    Geometry,
    Geography,
}

public enum TimeUnit
{
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// <summary>A logical annotation with its parameters; those that a kind does not use are zero.</summary>
/// <param name="BitWidth">Of an integer: 8, 16, 32 or 64.</param>
/// <param name="Signed">Of an integer.</param>
/// <param name="Unit">Of a time or timestamp.</param>
/// <param name="UtcAdjusted">The file says that the time is an instant in UTC and not a wall clock.</param>
/// <param name="Precision">Decimal digits in all.</param>
/// <param name="Scale">Decimal digits after the point, 0 to <paramref name="Precision"/>.</param>
public readonly record struct LogicalType(
    LogicalKind Kind,
    int BitWidth = 0,
    bool Signed = false,
    TimeUnit Unit = TimeUnit.Milliseconds,
    bool UtcAdjusted = false,
    int Precision = 0,
    int Scale = 0)
{
    public override string ToString() => Kind switch
    {
        LogicalKind.Decimal => $"Decimal({Precision},{Scale})",
        LogicalKind.Integer => $"{(Signed ? "Int" : "UInt")}{BitWidth}",
        LogicalKind.Time or LogicalKind.Timestamp => $"{Kind}({Unit}{(UtcAdjusted ? ",UTC" : "")})",
        _ => Kind.ToString(),
    };
}
