using System.Runtime.CompilerServices;

namespace DataLayer.Formats.Tabular.Parquet.Codecs;

/// <summary>The back reference of the LZ77 formats.</summary>
internal static class MatchCopy
{
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
