using System.Buffers.Text;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>One request head, parsed in place: all spans point into the connection's input buffer.</summary>
internal ref struct HttpRequest
{
    internal ReadOnlySpan<byte> Method, Path, Query, Range, IfMatch, IfNoneMatch;
    internal bool CloseAfter, HasBody;

    /// <summary>Parses a whole head, up to and with its empty line. False: not HTTP/1.x.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> head, out HttpRequest request)
    {
        request = default;
        int lineEnd = head.IndexOf("\r\n"u8);
        ReadOnlySpan<byte> line = head[..lineEnd];
        int first = line.IndexOf((byte)' '), last = line.LastIndexOf((byte)' ');
        if (first <= 0 || last <= first) return false;
        ReadOnlySpan<byte> version = line[(last + 1)..];
        if (!version.StartsWith("HTTP/1."u8)) return false;
        request.CloseAfter = version.SequenceEqual("HTTP/1.0"u8);
        request.Method = line[..first];
        ReadOnlySpan<byte> target = line[(first + 1)..last];
        if (target.StartsWith("http://"u8))
        {
            int slash = target[7..].IndexOf((byte)'/');
            target = slash < 0 ? "/"u8 : target[(7 + slash)..];
        }

        int question = target.IndexOf((byte)'?');
        request.Path = question < 0 ? target : target[..question];
        request.Query = question < 0 ? default : target[(question + 1)..];

        ReadOnlySpan<byte> rest = head[(lineEnd + 2)..];
        while ((lineEnd = rest.IndexOf("\r\n"u8)) > 0)
        {
            line = rest[..lineEnd];
            rest = rest[(lineEnd + 2)..];
            int colon = line.IndexOf((byte)':');
            if (colon <= 0) return false;
            request.TakeHeader(line[..colon], line[(colon + 1)..].Trim(" \t"u8));
        }

        return true;
    }

    private void TakeHeader(scoped ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        // By length first: most headers are of no interest.
        switch (name.Length)
        {
            case 5 when Is(name, "range"u8): Range = value; break;
            case 8 when Is(name, "if-match"u8): IfMatch = value; break;
            case 10 when Is(name, "connection"u8): CloseAfter = Is(value, "close"u8) || (CloseAfter && !Is(value, "keep-alive"u8)); break;
            case 13 when Is(name, "if-none-match"u8): IfNoneMatch = value; break;
            case 14 when Is(name, "content-length"u8): HasBody |= !value.SequenceEqual("0"u8); break;
            case 17 when Is(name, "transfer-encoding"u8): HasBody = true; break;
            default: break;
        }
    }

    private static bool Is(ReadOnlySpan<byte> text, ReadOnlySpan<byte> lower) => System.Text.Ascii.EqualsIgnoreCase(text, lower);

    /// <summary>
    /// The bytes a Range header asks of an object of <paramref name="size"/> bytes (RFC 9110, 14.1.2): 206 with offset and
    /// length, 416, or 200 with everything when there is none or it is not understood.
    /// </summary>
    internal readonly int ResolveRange(long size, out long offset, out long length)
    {
        offset = 0;
        length = size;
        if (!Range.StartsWith("bytes="u8) || Range.Contains((byte)',')) return 200;
        ReadOnlySpan<byte> spec = Range[6..];
        int dash = spec.IndexOf((byte)'-');
        if (dash < 0) return 200;
        ReadOnlySpan<byte> firstText = spec[..dash], lastText = spec[(dash + 1)..];
        bool hasFirst = TryNumber(firstText, out long first), hasLast = TryNumber(lastText, out long last);
        if ((!hasFirst && firstText.Length > 0) || (!hasLast && lastText.Length > 0) || (!hasFirst && !hasLast)) return 200;
        if (!hasFirst)
        {
            if (last == 0 || size == 0) return 416;
            offset = Math.Max(0, size - last);
        }
        else
        {
            if (hasLast && last < first) return 200;
            if (first >= size) return 416;
            offset = first;
            if (hasLast && last < size) size = last + 1;
        }

        length = size - offset;
        return 206;
    }

    private static bool TryNumber(ReadOnlySpan<byte> text, out long value) =>
        Utf8Parser.TryParse(text, out value, out int used) && used == text.Length && value >= 0;

    /// <summary>
    /// Decodes percent signs (and in a query plus signs) into <paramref name="target"/>; returns the length, or -1 when the
    /// text is malformed or too long.
    /// </summary>
    internal static int Decode(ReadOnlySpan<byte> text, Span<byte> target, bool isQuery)
    {
        int length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (length == target.Length) return -1;
            byte value = text[i];
            if (value == '%')
            {
                if (i + 2 >= text.Length || !Utf8Parser.TryParse(text.Slice(i + 1, 2), out value, out int used, 'x') || used != 2) return -1;
                i += 2;
            }
            else if (value == '+' && isQuery)
            {
                value = (byte)' ';
            }

            target[length++] = value;
        }

        return length;
    }

    /// <summary>The still encoded value of a query parameter, and whether it is there at all.</summary>
    internal readonly bool TryQuery(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        ReadOnlySpan<byte> rest = Query;
        while (rest.Length > 0)
        {
            int end = rest.IndexOf((byte)'&');
            ReadOnlySpan<byte> pair = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            int equals = pair.IndexOf((byte)'=');
            if (!(equals < 0 ? pair : pair[..equals]).SequenceEqual(name)) continue;
            value = equals < 0 ? default : pair[(equals + 1)..];
            return true;
        }

        value = default;
        return false;
    }
}
