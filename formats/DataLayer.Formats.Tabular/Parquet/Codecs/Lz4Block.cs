using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Codecs;

/// <summary>The LZ4 block format (lz4/lz4, doc/lz4_Block_format.md), raw and in Hadoop's framing.</summary>
internal static class Lz4Block
{
    /// <summary>Decodes all of <paramref name="source"/> into all of <paramref name="destination"/>; false if they do not match.</summary>
    public static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination) =>
        TryDecompress(source, destination, out int written) && written == destination.Length;

    /// <summary>
    /// Hadoop's framing: blocks of a big-endian uncompressed length, then per part a big-endian compressed length and
    /// LZ4 data. One block holds one part for every writer of Parquet (parquet-format, Compression.md).
    /// </summary>
    public static bool TryDecompressHadoop(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        while (source.Length >= 8)
        {
            uint uncompressed = BinaryPrimitives.ReadUInt32BigEndian(source);
            uint compressed = BinaryPrimitives.ReadUInt32BigEndian(source[4..]);
            source = source[8..];
            if (compressed > source.Length || uncompressed > destination.Length) return false;
            if (!TryDecompress(source[..(int)compressed], destination[..(int)uncompressed])) return false;
            source = source[(int)compressed..];
            destination = destination[(int)uncompressed..];
        }
        return source.Length == 0 && destination.Length == 0;
    }

    static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        written = 0;
        int position = 0;
        // Safety: every access below is at an offset that was compared with both spans' lengths first.
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(destination);
        while (position < source.Length)
        {
            byte token = Unsafe.Add(ref from, position++);
            long literal = token >> 4;
            if (literal == 15 && !TryExtend(source, ref position, ref literal)) return false;
            if (!MatchCopy.TryCopyLiteral(source, ref position, destination, ref written, literal)) return false;
            if (position == source.Length) return true;
            if (source.Length - position < 2) return false;
            int distance = Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref from, position));
            position += 2;
            long match = token & 15;
            if (match == 15 && !TryExtend(source, ref position, ref match)) return false;
            match += 4;
            if (match > destination.Length - written) return false;
            if (!MatchCopy.TryCopy(ref to, destination.Length, written, distance, (int)match)) return false;
            written += (int)match;
        }
        return source.Length == 0;
    }

    static bool TryExtend(ReadOnlySpan<byte> source, ref int position, ref long length)
    {
        byte b;
        do
        {
            if (position >= source.Length) return false;
            b = source[position++];
            length += b;
        }
        while (b == 255);
        return true;
    }
}
