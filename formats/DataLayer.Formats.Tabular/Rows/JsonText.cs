using System.Buffers;

namespace DataLayer.Formats.Tabular.Rows;

/// <summary>JSON strings (RFC 8259): only what must be escaped is; other characters stay UTF-8.</summary>
internal static class JsonText
{
    static readonly SearchValues<byte> Special = SearchValues.Create(
        [.. Enumerable.Range(0, 32).Select(i => (byte)i), (byte)'"', (byte)'\\']);

    public static void WriteString(RowOutput output, ReadOnlySpan<byte> text)
    {
        output.Write((byte)'"');
        WriteEscaped(output, text);
        output.Write((byte)'"');
    }

    public static void WriteEscaped(RowOutput output, ReadOnlySpan<byte> text)
    {
        while (true)
        {
            int clean = text.IndexOfAny(Special);
            if (clean < 0)
            {
                output.Write(text);
                return;
            }
            output.Write(text[..clean]);
            WriteSpecial(output, text[clean]);
            text = text[(clean + 1)..];
        }
    }

    static void WriteSpecial(RowOutput output, byte b)
    {
        Span<byte> room = output.Room(6);
        room[0] = (byte)'\\';
        byte letter = b switch
        {
            (byte)'"' or (byte)'\\' => b,
            (byte)'\n' => (byte)'n',
            (byte)'\r' => (byte)'r',
            (byte)'\t' => (byte)'t',
            (byte)'\b' => (byte)'b',
            (byte)'\f' => (byte)'f',
            _ => 0,
        };
        if (letter != 0)
        {
            room[1] = letter;
            output.Advance(2);
            return;
        }
        "u00"u8.CopyTo(room[1..]);
        room[4] = (byte)('0' + (b >> 4));
        room[5] = (byte)((b & 15) < 10 ? '0' + (b & 15) : 'A' + (b & 15) - 10);
        output.Advance(6);
    }
}
