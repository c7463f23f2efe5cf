using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Codecs;

/// <summary>
/// The raw Snappy format (google/snappy, format_description.txt). Ours and not a package: the page's size is known, so
/// it decodes into the page buffer itself, and every length in the input is checked.
/// </summary>
internal static class SnappyBlock
{
    /// <summary>Decodes all of <paramref name="source"/> into all of <paramref name="destination"/>; false if they do not match.</summary>
    public static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (!TryReadLength(source, out int position, out uint length) || length != destination.Length) return false;
        int written = 0;
        // Safety: every access below is at an offset that was compared with both spans' lengths first.
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(destination);
        while (position < source.Length)
        {
            byte tag = Unsafe.Add(ref from, position++);
            int count;
            int distance;
            if ((tag & 3) == 0)
            {
                long literal = (tag >> 2) + 1;
                if (literal > 60)
                {
                    int bytes = (int)literal - 60;
                    if (source.Length - position < bytes) return false;
                    literal = 0;
                    for (int i = 0; i < bytes; i++) literal |= (long)Unsafe.Add(ref from, position + i) << (8 * i);
                    literal++;
                    position += bytes;
                }
                if (!MatchCopy.TryCopyLiteral(source, ref position, destination, ref written, literal)) return false;
                continue;
            }
            switch (tag & 3)
            {
                case 1:
                    if (position >= source.Length) return false;
                    count = ((tag >> 2) & 7) + 4;
                    distance = ((tag >> 5) << 8) | Unsafe.Add(ref from, position++);
                    break;
                case 2:
                    if (source.Length - position < 2) return false;
                    count = (tag >> 2) + 1;
                    distance = Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref from, position));
                    position += 2;
                    break;
                default:
                    if (source.Length - position < 4) return false;
                    count = (tag >> 2) + 1;
                    uint far = Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref from, position));
                    if (far > int.MaxValue) return false;
                    distance = (int)far;
                    position += 4;
                    break;
            }
            if (!MatchCopy.TryCopy(ref to, destination.Length, written, distance, count)) return false;
            written += count;
        }
        return written == destination.Length;
    }

    /// <summary>The length the block says it has; false when it does not start like a Snappy block.</summary>
    public static bool TryReadLength(ReadOnlySpan<byte> source, out int bytes, out uint length)
    {
        ulong value = 0;
        for (bytes = 0; bytes < source.Length && bytes < 5; bytes++)
        {
            byte b = source[bytes];
            value |= (ulong)(b & 0x7F) << (7 * bytes);
            if (b >= 0x80) continue;
            bytes++;
            length = (uint)value;
            return value <= uint.MaxValue;
        }
        length = 0;
        return false;
    }
}
