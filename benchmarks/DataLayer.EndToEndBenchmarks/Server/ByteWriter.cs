using System.Buffers.Text;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>A growing byte buffer that a connection keeps from one response to the next.</summary>
internal sealed class ByteWriter
{
    private byte[] _bytes = new byte[1024];

    internal int Length { get; private set; }

    internal ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

    internal byte[] Array => _bytes;

    internal void Clear() => Length = 0;

    internal ByteWriter Add(ReadOnlySpan<byte> text)
    {
        text.CopyTo(Reserve(text.Length));
        Length += text.Length;
        return this;
    }

    internal ByteWriter Add(long number)
    {
        Utf8Formatter.TryFormat(number, Reserve(20), out int written);
        Length += written;
        return this;
    }

    internal ByteWriter AddHex(ReadOnlySpan<byte> data)
    {
        Span<byte> target = Reserve(data.Length * 2);
        for (int i = 0; i < data.Length; i++)
        {
            target[2 * i] = "0123456789abcdef"u8[data[i] >> 4];
            target[(2 * i) + 1] = "0123456789abcdef"u8[data[i] & 15];
        }

        Length += data.Length * 2;
        return this;
    }

    /// <summary>XML text: the five special characters become references.</summary>
    internal ByteWriter AddXml(ReadOnlySpan<byte> text)
    {
        foreach (byte b in text)
        {
            switch (b)
            {
                case (byte)'&': Add("&amp;"u8); break;
                case (byte)'<': Add("&lt;"u8); break;
                case (byte)'>': Add("&gt;"u8); break;
                case (byte)'"': Add("&quot;"u8); break;
                case (byte)'\r': Add("&#13;"u8); break;
                default:
                    Reserve(1)[0] = b;
                    Length++;
                    break;
            }
        }

        return this;
    }

    /// <summary>Percent-encoded as S3 does with encoding-type=url: everything but unreserved characters and "/".</summary>
    internal ByteWriter AddUrlEncoded(ReadOnlySpan<byte> text)
    {
        foreach (byte b in text)
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'_' or (byte)'.' or (byte)'~' or (byte)'/')
            {
                Reserve(1)[0] = b;
                Length++;
            }
            else
            {
                Span<byte> target = Reserve(3);
                target[0] = (byte)'%';
                target[1] = "0123456789ABCDEF"u8[b >> 4];
                target[2] = "0123456789ABCDEF"u8[b & 15];
                Length += 3;
            }
        }

        return this;
    }

    private Span<byte> Reserve(int count)
    {
        if (_bytes.Length - Length < count) System.Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + count));
        return _bytes.AsSpan(Length, count);
    }
}
