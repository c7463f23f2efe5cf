using System.Numerics;

namespace DataLayer.Cache;

/// <summary>
/// -ln(1 - x) for a 64-bit fraction x: turns a uniform hash into an exponential variate. Integer arithmetic alone, since every
/// node has to come to the same bits and Math.Log differs by an ulp between C libraries and processors.
/// <para>
/// Linear interpolation in a table over the normalised argument. The chord of a convex function lies above it: a result is
/// never below x, never more than 2⁻¹¹ of itself too large, and monotone. To a weighted choice that is an error of at most
/// 0.05 % in a weight.
/// </para>
/// </summary>
internal static class ExponentialVariate
{
    /// <summary>Fraction bits of a result: the largest, 64·ln 2 = 44.4, leaves room for six bits before the point.</summary>
    public const int FractionBits = 58;

    const int IndexBits = 10;
    const ulong Ln2 = 0xB17217F7D1CF79AB; // ln 2 · 2⁶⁴, rounded down.

    // -ln(1/2 + i/2048) for i = 0 … 1024: 8 KiB, a quarter of a first-level cache, of which lookups touch the last lines.
    static readonly ulong[] Logarithms = [.. Enumerable.Range(0, (1 << IndexBits) + 1).Select(i => NegativeLn(((ulong)(1 << IndexBits) + (ulong)i) << (62 - IndexBits)))];

    /// <param name="x">A fraction of 2⁶⁴.</param>
    /// <returns>-ln(1 - x / 2⁶⁴) · 2⁵⁸.</returns>
    public static ulong Of(ulong x)
    {
        if (x == 0) return 0;
        ulong rest = 0 - x;
        int shift = BitOperations.LeadingZeroCount(rest);
        rest <<= shift;
        int index = (int)(rest >> (63 - IndexBits)) & ((1 << IndexBits) - 1);
        ulong within = rest << (IndexBits + 1);
        ulong high = Logarithms[index], drop = Math.BigMul(high - Logarithms[index + 1], within, out _);
        ulong result = high - drop + (ulong)shift * (Ln2 >> (64 - FractionBits));
        return Math.Max(result, x >> (64 - FractionBits));
    }

    /// <summary>-ln of a number in [1/2, 1] (63 fraction bits), one bit of its binary logarithm at a time: squaring doubles the logarithm.</summary>
    static ulong NegativeLn(ulong number)
    {
        const ulong one = 1ul << 63;
        if (number >= one) return 0;
        number <<= 1; // Now 1 ≤ number < 2, log₂ of the argument is log₂(number) - 1.
        ulong log2 = 0;
        for (int bit = 0; bit < FractionBits; bit++)
        {
            ulong high = Math.BigMul(number, number, out ulong low); // Square with 126 fraction bits, in [1, 4).
            log2 <<= 1;
            if (high >= one) log2 |= 1;
            number = high >= one ? high : high << 1 | low >> 63;
        }
        return Math.BigMul((1ul << FractionBits) - log2, Ln2, out _);
    }
}
