using System.Buffers.Binary;

namespace DataLayer.TestReader;

/// <summary>File content that both sides of a test can compute at any offset: 8-byte words mixed from seed and position.</summary>
public static class Pattern
{
    public static void Fill(Span<byte> destination, ulong seed, long offset)
    {
        Span<byte> word = stackalloc byte[8];
        int done = 0;
        while (done < destination.Length)
        {
            long at = offset + done;
            BinaryPrimitives.WriteUInt64LittleEndian(word, Word(seed, (ulong)at >> 3));
            ReadOnlySpan<byte> rest = word[(int)(at & 7)..];
            int count = Math.Min(rest.Length, destination.Length - done);
            rest[..count].CopyTo(destination[done..]);
            done += count;
        }
    }

    /// <summary>Offset of the first byte that differs, or -1.</summary>
    public static long FirstDifference(ReadOnlySpan<byte> actual, ulong seed, long offset)
    {
        Span<byte> expected = stackalloc byte[4096];
        for (int done = 0; done < actual.Length; done += expected.Length)
        {
            ReadOnlySpan<byte> part = actual.Slice(done, Math.Min(expected.Length, actual.Length - done));
            Fill(expected[..part.Length], seed, offset + done);
            int same = part.CommonPrefixLength(expected);
            if (same < part.Length) return offset + done + same;
        }
        return -1;
    }

    static ulong Word(ulong seed, ulong index)
    {
        // SplitMix64's finaliser.
        ulong x = seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
