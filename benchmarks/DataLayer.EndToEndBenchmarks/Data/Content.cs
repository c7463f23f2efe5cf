using System.Runtime.InteropServices;

namespace DataLayer.EndToEndBenchmarks.Data;

/// <summary>
/// The bytes of generated files: word i of a file is a mix of the file's seed and i, so that any range can be made or
/// checked without the bytes before it. Incompressible, little-endian.
/// </summary>
internal static class Content
{
    /// <summary>The word at byte offset 8 × <paramref name="index"/> (SplitMix64's output function).</summary>
    internal static ulong Word(ulong seed, ulong index)
    {
        ulong z = (seed * 0xD1342543DE82EF95) + ((index + 1) * 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>Writes the file's bytes from <paramref name="offset"/>, a multiple of 8.</summary>
    internal static void Fill(Span<byte> target, ulong seed, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(offset % sizeof(ulong), 0);
        ulong index = (ulong)offset / sizeof(ulong);
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(target);
        for (int i = 0; i < words.Length; i++) words[i] = Word(seed, index + (ulong)i);
        Span<byte> rest = target[(words.Length * sizeof(ulong))..];
        ulong last = Word(seed, index + (ulong)words.Length);
        for (int i = 0; i < rest.Length; i++) rest[i] = (byte)(last >> (8 * i));
    }

    /// <summary>Whether <paramref name="data"/>, a multiple of 8 long, is the file's bytes at <paramref name="offset"/>, a multiple of 8.</summary>
    internal static bool Matches(ReadOnlySpan<byte> data, ulong seed, long offset)
    {
        ulong index = (ulong)offset / sizeof(ulong);
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        ulong difference = 0;
        for (int i = 0; i < words.Length; i++) difference |= words[i] ^ Word(seed, index + (ulong)i);
        return difference == 0 && offset % sizeof(ulong) == 0 && data.Length % sizeof(ulong) == 0;
    }
}
