using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Codecs;

/// <summary>The two steps of the LZ77 formats: bytes of the input, and bytes that were written before.</summary>
internal static class MatchCopy
{
    /// <summary>Appends <paramref name="count"/> bytes of the input; false when it, or the room for them, has fewer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryCopyLiteral(ReadOnlySpan<byte> source, ref int position, Span<byte> destination, ref int written, long count)
    {
        if (count > source.Length - position || count > destination.Length - written) return false;
        // Safety: both ranges were just checked; the step of 16 bytes only where both have 16.
        ref byte from = ref Unsafe.Add(ref MemoryMarshal.GetReference(source), position);
        ref byte to = ref Unsafe.Add(ref MemoryMarshal.GetReference(destination), written);
        bool shortCopy = count <= 16 && source.Length - position >= 16 && destination.Length - written >= 16;
        if (shortCopy) Unsafe.CopyBlockUnaligned(ref to, ref from, 16);
        else Unsafe.CopyBlockUnaligned(ref to, ref from, (uint)count);
        position += (int)count;
        written += (int)count;
        return true;
    }

    /// <summary>
    /// Repeats <paramref name="count"/> bytes from <paramref name="distance"/> before <paramref name="written"/>; the
    /// ranges may overlap, which repeats a pattern. False when the reference points outside what is written, or the
    /// copy would pass the end.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryCopy(ref byte output, int length, int written, int distance, int count)
    {
        if (distance <= 0 || distance > written || count > length - written) return false;
        // Safety: source and target ranges were just checked; the 16-byte steps run only where 16 more bytes may be written.
        ref byte to = ref Unsafe.Add(ref output, written);
        ref byte from = ref Unsafe.Add(ref output, written - distance);
        if (distance >= 16 && length - written >= count + 16)
        {
            for (int i = 0; i < count; i += 16) Unsafe.CopyBlockUnaligned(ref Unsafe.Add(ref to, i), ref Unsafe.Add(ref from, i), 16);
        }
        else if (distance >= 8 && length - written >= count + 8)
        {
            for (int i = 0; i < count; i += 8)
            {
                Unsafe.WriteUnaligned(ref Unsafe.Add(ref to, i), Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref from, i)));
            }
        }
        else if (distance == 1)
        {
            Unsafe.InitBlockUnaligned(ref to, from, (uint)count);
        }
        else
        {
            for (int i = 0; i < count; i++) Unsafe.Add(ref to, i) = Unsafe.Add(ref from, i);
        }
        return true;
    }
}
