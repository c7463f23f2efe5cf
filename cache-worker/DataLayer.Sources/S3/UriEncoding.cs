using System.Buffers;
using System.Text;

namespace DataLayer.Sources.S3;

/// <summary>
/// Percent-encoding exactly as Signature Version 4 defines it: everything but A–Z a–z 0–9 - . _ ~ becomes %XX with
/// upper-case digits, once; in a path '/' stays. What is sent is then what is signed.
/// </summary>
internal static class UriEncoding
{
    static readonly SearchValues<byte> Unreserved = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"u8);
    static readonly SearchValues<byte> UnreservedOrSlash = SearchValues.Create("/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"u8);

    public static void AppendPath(StringBuilder text, ReadOnlySpan<byte> bytes) => Append(text, bytes, UnreservedOrSlash);

    public static void AppendQuery(StringBuilder text, ReadOnlySpan<byte> bytes) => Append(text, bytes, Unreserved);

    static void Append(StringBuilder text, ReadOnlySpan<byte> bytes, SearchValues<byte> keep)
    {
        while (true)
        {
            int run = bytes.IndexOfAnyExcept(keep);
            ReadOnlySpan<byte> plain = run < 0 ? bytes : bytes[..run];
            foreach (byte b in plain) text.Append((char)b);
            if (run < 0) return;
            text.Append('%').Append(Hex(bytes[run] >> 4)).Append(Hex(bytes[run] & 15));
            bytes = bytes[(run + 1)..];
        }
    }

    static char Hex(int digit) => (char)(digit < 10 ? '0' + digit : 'A' + digit - 10);

    /// <summary>
    /// Decodes a key of a listing with encoding-type=url. '+' is a space: servers that use it for one encode a real plus
    /// as %2B, and so do those that write a space as %20. A '%' without two hex digits stands for itself.
    /// </summary>
    public static byte[] Decode(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int to = 0;
        for (int from = 0; from < bytes.Length; from++)
        {
            byte b = bytes[from];
            if (b == '+') b = (byte)' ';
            else if (b == '%' && from + 2 < bytes.Length && char.IsAsciiHexDigit((char)bytes[from + 1]) && char.IsAsciiHexDigit((char)bytes[from + 2]))
            {
                b = (byte)(Convert.ToInt32(((char)bytes[from + 1]).ToString(), 16) << 4 | Convert.ToInt32(((char)bytes[from + 2]).ToString(), 16));
                from += 2;
            }
            bytes[to++] = b;
        }
        return to == bytes.Length ? bytes : bytes[..to];
    }
}
