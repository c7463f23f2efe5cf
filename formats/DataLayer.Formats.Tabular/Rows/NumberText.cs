using System.Buffers.Text;
using System.Globalization;
using System.Numerics;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>Numbers as JSON and CSV show them.</summary>
internal static class NumberText
{
    public static void Write(RowOutput output, long value)
    {
        Utf8Formatter.TryFormat(value, output.Room(20), out int written);
        output.Advance(written);
    }

    public static void Write(RowOutput output, ulong value)
    {
        Utf8Formatter.TryFormat(value, output.Room(20), out int written);
        output.Advance(written);
    }

    /// <summary>
    /// The shortest digits that read back as the same double, always with a point or an exponent, so that a reader
    /// which infers types does not take the column for integers. NaN, Infinity and -Infinity are words, which the JSON
    /// caller quotes: JSON has no number for them.
    /// </summary>
    public static void Write(RowOutput output, double value)
    {
        Span<byte> room = output.Room(32);
        value.TryFormat(room, out int written, default, CultureInfo.InvariantCulture);
        output.Advance(written);
        if (double.IsFinite(value)) MarkAsFraction(output, room[..written]);
    }

    /// <summary>The same for the shortest digits of a single.</summary>
    public static void Write(RowOutput output, float value)
    {
        Span<byte> room = output.Room(32);
        value.TryFormat(room, out int written, default, CultureInfo.InvariantCulture);
        output.Advance(written);
        if (float.IsFinite(value)) MarkAsFraction(output, room[..written]);
    }

    /// <summary>An unscaled integer with the point <paramref name="scale"/> digits from its end.</summary>
    public static void WriteDecimal(RowOutput output, long unscaled, int scale)
    {
        ulong magnitude = unscaled < 0 ? (ulong)-(unscaled + 1) + 1 : (ulong)unscaled;
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(magnitude, digits, out int count);
        WriteDecimal(output, unscaled < 0, digits[..count], scale);
    }

    /// <summary>A big-endian two's complement integer of any length with the point <paramref name="scale"/> digits from its end.</summary>
    public static void WriteDecimal(RowOutput output, ReadOnlySpan<byte> bigEndian, int scale)
    {
        if (bigEndian.Length <= 8)
        {
            long small = bigEndian.Length > 0 && (bigEndian[0] & 0x80) != 0 ? -1 : 0;
            foreach (byte b in bigEndian) small = (small << 8) | b;
            WriteDecimal(output, small, scale);
            return;
        }
        if (bigEndian.Length <= 16)
        {
            Int128 medium = (bigEndian[0] & 0x80) != 0 ? -1 : 0;
            foreach (byte b in bigEndian) medium = (medium << 8) | b;
            UInt128 magnitude = Int128.IsNegative(medium) ? (UInt128)(-medium) : (UInt128)medium;
            Span<byte> text = stackalloc byte[40];
            magnitude.TryFormat(text, out int count, default, CultureInfo.InvariantCulture);
            WriteDecimal(output, Int128.IsNegative(medium), text[..count], scale);
            return;
        }
        var large = new BigInteger(bigEndian, isUnsigned: false, isBigEndian: true);
        byte[] digits = System.Text.Encoding.ASCII.GetBytes(BigInteger.Abs(large).ToString(CultureInfo.InvariantCulture));
        WriteDecimal(output, large.Sign < 0, digits, scale);
    }

    static void WriteDecimal(RowOutput output, bool negative, ReadOnlySpan<byte> digits, int scale)
    {
        Span<byte> room = output.Room(digits.Length + scale + 3);
        int at = 0;
        if (negative) room[at++] = (byte)'-';
        if (digits.Length > scale)
        {
            digits[..^scale].CopyTo(room[at..]);
            at += digits.Length - scale;
            if (scale > 0) room[at++] = (byte)'.';
            digits[^scale..].CopyTo(room[at..]);
            at += scale;
        }
        else
        {
            room[at++] = (byte)'0';
            room[at++] = (byte)'.';
            room.Slice(at, scale - digits.Length).Fill((byte)'0');
            at += scale - digits.Length;
            digits.CopyTo(room[at..]);
            at += digits.Length;
        }
        output.Advance(at);
    }

    static void MarkAsFraction(RowOutput output, ReadOnlySpan<byte> written)
    {
        if (written.IndexOfAny((byte)'.', (byte)'E') < 0) output.Write(".0"u8);
    }
}
