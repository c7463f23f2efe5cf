using System.Buffers.Text;
using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>
/// Dates and times as ISO 8601 with a space between date and time, in the proleptic Gregorian calendar; the fraction of
/// a second without trailing zeros. Years before 1 are followed by "(BC)", as PostgreSQL and DuckDB write them.
/// </summary>
internal static class TimeText
{
    const long NanosecondsPerDay = 86_400_000_000_000;
    const int JulianDayOfEpoch = 2_440_588;

    /// <summary>Days since 1970-01-01. The extremes are DuckDB's and PostgreSQL's infinities.</summary>
    public static void WriteDate(RowOutput output, int days)
    {
        if (days == int.MaxValue) output.Write("infinity"u8);
        else if (days == -int.MaxValue) output.Write("-infinity"u8);
        else WriteDay(output, days);
    }

    /// <summary>Ticks of 10^-<paramref name="digits"/> seconds since midnight.</summary>
    public static void WriteTime(RowOutput output, long ticks, int digits)
    {
        if (ticks < 0)
        {
            output.Write((byte)'-');
            // No time of day is negative; of the one value without a positive counterpart a tick is lost.
            ticks = ticks == long.MinValue ? long.MaxValue : -ticks;
        }
        long second = Power(digits);
        WriteClock(output, ticks / second, ticks % second, digits);
    }

    /// <summary>Ticks of 10^-<paramref name="digits"/> seconds since 1970-01-01 00:00.</summary>
    public static void WriteTimestamp(RowOutput output, long ticks, int digits, bool utc)
    {
        if (ticks == long.MaxValue || ticks == -long.MaxValue)
        {
            output.Write(ticks > 0 ? "infinity"u8 : "-infinity"u8);
            return;
        }
        long second = Power(digits);
        long seconds = Math.DivRem(ticks, second, out long fraction);
        if (fraction < 0)
        {
            fraction += second;
            seconds--;
        }
        WriteInstant(output, seconds, fraction, digits);
        if (utc) output.Write("+00"u8);
    }

    /// <summary>
    /// Spark keeps 64-bit microseconds and lets them wrap when it turns years beyond 294,247 into days, so the way back
    /// wraps too; inside that range nothing does.
    /// </summary>
    public static void WriteTimestamp(RowOutput output, Int96 value)
    {
        long days = Math.DivRem(value.NanosecondsOfDay, NanosecondsPerDay, out long nanoseconds);
        if (nanoseconds < 0)
        {
            nanoseconds += NanosecondsPerDay;
            days--;
        }
        days += value.JulianDay - (long)JulianDayOfEpoch;
        long microseconds = unchecked(days * (NanosecondsPerDay / 1000) + nanoseconds / 1000);
        long seconds = Math.DivRem(microseconds, 1_000_000, out long fraction);
        if (fraction < 0)
        {
            fraction += 1_000_000;
            seconds--;
        }
        WriteInstant(output, seconds, fraction * 1000 + nanoseconds % 1000, 9);
    }

    /// <summary>Parquet's INTERVAL: months, days and milliseconds, in 4 bytes each. The words are DuckDB's.</summary>
    public static void WriteInterval(RowOutput output, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<int> parts = MemoryMarshal.Cast<byte, int>(bytes);
        int start = output.Length;
        WritePart(output, start, parts[0] / 12, "year"u8);
        WritePart(output, start, parts[0] % 12, "month"u8);
        WritePart(output, start, parts[1], "day"u8);
        uint milliseconds = unchecked((uint)parts[2]);
        if (milliseconds == 0 && output.Length > start) return;
        if (output.Length > start) output.Write((byte)' ');
        WriteTime(output, milliseconds, 3);
    }

    static void WritePart(RowOutput output, int start, int count, ReadOnlySpan<byte> unit)
    {
        if (count == 0) return;
        if (output.Length > start) output.Write((byte)' ');
        NumberText.Write(output, count);
        output.Write((byte)' ');
        output.Write(unit);
        if (count is not (1 or -1)) output.Write((byte)'s');
    }

    static void WriteInstant(RowOutput output, long seconds, long fraction, int digits)
    {
        long days = Math.DivRem(seconds, 86_400, out long secondOfDay);
        if (secondOfDay < 0)
        {
            secondOfDay += 86_400;
            days--;
        }
        WriteDay(output, days);
        output.Write((byte)' ');
        WriteClock(output, secondOfDay, fraction, digits);
    }

    /// <summary>Howard Hinnant's civil_from_days: years of 400-year eras that start in March.</summary>
    static void WriteDay(RowOutput output, long days)
    {
        days += 719_468;
        long era = (days >= 0 ? days : days - 146_096) / 146_097;
        long dayOfEra = days - era * 146_097;
        long yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
        long dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        long shifted = (5 * dayOfYear + 2) / 153;
        int day = (int)(dayOfYear - (153 * shifted + 2) / 5 + 1);
        int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
        long year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
        bool beforeChrist = year <= 0;
        if (beforeChrist) year = 1 - year;
        Span<byte> room = output.Room(40);
        int at;
        if (year < 10_000)
        {
            Two(room, (int)year / 100);
            Two(room[2..], (int)year % 100);
            at = 4;
        }
        else
        {
            Utf8Formatter.TryFormat(year, room, out at);
        }
        room[at] = (byte)'-';
        Two(room[(at + 1)..], month);
        room[at + 3] = (byte)'-';
        Two(room[(at + 4)..], day);
        output.Advance(at + 6);
        if (beforeChrist) output.Write(" (BC)"u8);
    }

    static void WriteClock(RowOutput output, long seconds, long fraction, int digits)
    {
        Span<byte> room = output.Room(40);
        long hours = seconds / 3600;
        int rest = (int)(seconds % 3600);
        int at = 2;
        if (hours < 100) Two(room, (int)hours);
        else Utf8Formatter.TryFormat(hours, room, out at);
        room[at] = (byte)':';
        Two(room[(at + 1)..], rest / 60);
        room[at + 3] = (byte)':';
        Two(room[(at + 4)..], rest % 60);
        at += 6;
        if (fraction != 0)
        {
            room[at++] = (byte)'.';
            for (int i = digits - 1; i >= 0; i--)
            {
                room[at + i] = (byte)('0' + fraction % 10);
                fraction /= 10;
            }
            at += digits;
            while (room[at - 1] == '0') at--;
        }
        output.Advance(at);
    }

    static void Two(Span<byte> to, int value)
    {
        to[0] = (byte)('0' + value / 10);
        to[1] = (byte)('0' + value % 10);
    }

    static long Power(int digits) => digits switch { 3 => 1_000, 6 => 1_000_000, _ => 1_000_000_000 };
}
