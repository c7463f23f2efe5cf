using DataLayer.Formats.Tabular.Parquet.Thrift;

namespace DataLayer.Formats.Tabular.Parquet;

internal static class LogicalTypeReader
{
    /// <summary>parquet.thrift's union <c>LogicalType</c>; null for a member that this reader does not know.</summary>
    public static LogicalType? Read(ref CompactReader reader, CompactType type)
    {
        reader.ExpectStruct(type);
        LogicalType? result = null;
        int id = 0;
        while (reader.NextField(ref id, out CompactType member))
        {
            LogicalKind kind = id switch
            {
                1 => LogicalKind.String,
                2 => LogicalKind.Map,
                3 => LogicalKind.List,
                4 => LogicalKind.Enum,
                5 => LogicalKind.Decimal,
                6 => LogicalKind.Date,
                7 => LogicalKind.Time,
                8 => LogicalKind.Timestamp,
                10 => LogicalKind.Integer,
                11 => LogicalKind.Null,
                12 => LogicalKind.Json,
                13 => LogicalKind.Bson,
                14 => LogicalKind.Uuid,
                15 => LogicalKind.Float16,
                16 => LogicalKind.Variant,
                17 => LogicalKind.Geometry,
                18 => LogicalKind.Geography,
                _ => LogicalKind.None,
            };
            if (kind == LogicalKind.None || member != CompactType.Struct) reader.Skip(member);
            else result = ReadMember(ref reader, kind);
        }
        return result;
    }

    /// <summary>
    /// The deprecated annotation. Its times and timestamps say nothing that writers agreed on about the time zone, so
    /// none is claimed (as DuckDB reads them).
    /// </summary>
    public static LogicalType FromConverted(int converted, int precision, int scale) => converted switch
    {
        0 => new(LogicalKind.String),
        1 or 2 => new(LogicalKind.Map),
        3 => new(LogicalKind.List),
        4 => new(LogicalKind.Enum),
        5 => new(LogicalKind.Decimal, Precision: precision, Scale: scale),
        6 => new(LogicalKind.Date),
        7 => new(LogicalKind.Time, Unit: TimeUnit.Milliseconds),
        8 => new(LogicalKind.Time, Unit: TimeUnit.Microseconds),
        9 => new(LogicalKind.Timestamp, Unit: TimeUnit.Milliseconds),
        10 => new(LogicalKind.Timestamp, Unit: TimeUnit.Microseconds),
        >= 11 and <= 14 => new(LogicalKind.Integer, BitWidth: 8 << (converted - 11), Signed: false),
        >= 15 and <= 18 => new(LogicalKind.Integer, BitWidth: 8 << (converted - 15), Signed: true),
        19 => new(LogicalKind.Json),
        20 => new(LogicalKind.Bson),
        21 => new(LogicalKind.Interval),
        _ => default,
    };

    static LogicalType ReadMember(ref CompactReader reader, LogicalKind kind)
    {
        int id = 0, first = 0, bitWidth = 0, precision = 0, scale = 0;
        bool flag = false;
        var unit = TimeUnit.Milliseconds;
        while (reader.NextField(ref id, out CompactType type))
        {
            switch (kind, id)
            {
                case (LogicalKind.Decimal, 1): scale = reader.ReadInt32(type); break;
                case (LogicalKind.Decimal, 2): precision = reader.ReadInt32(type); break;
                case (LogicalKind.Integer, 1): bitWidth = reader.ReadInt32(type); break;
                case (LogicalKind.Integer, 2): flag = reader.ReadBool(type); break;
                case (LogicalKind.Time or LogicalKind.Timestamp, 1): flag = reader.ReadBool(type); break;
                case (LogicalKind.Time or LogicalKind.Timestamp, 2):
                    reader.ExpectStruct(type);
                    first = 0;
                    int unitId = 0;
                    while (reader.NextField(ref unitId, out CompactType member))
                    {
                        first = unitId;
                        reader.Skip(member);
                    }
                    if (first is < 1 or > 3) reader.Fail($"time unit {first} does not exist");
                    unit = (TimeUnit)(first - 1);
                    break;
                default: reader.Skip(type); break;
            }
        }
        if (kind == LogicalKind.Integer && bitWidth is not (8 or 16 or 32 or 64)) reader.Fail($"integers of {bitWidth} bits do not exist");
        bool timed = kind is LogicalKind.Time or LogicalKind.Timestamp;
        return new(kind, bitWidth, kind == LogicalKind.Integer && flag, unit, timed && flag, precision, scale);
    }
}
