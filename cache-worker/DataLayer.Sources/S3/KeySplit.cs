using System.Text;

namespace DataLayer.Sources.S3;

/// <summary>
/// Chooses keys between two others without knowing what is there: the characters seen so far are taken to be those in
/// use. Works on characters, not bytes, because servers refuse keys that are not UTF-8; byte order is the same.
/// </summary>
internal sealed class KeySplit
{
    readonly SortedSet<int> _alphabet = [];

    /// <summary>Learns the characters of a key.</summary>
    public void Learn(ReadOnlySpan<byte> key)
    {
        while (!key.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(key, out Rune rune, out int length) != System.Buffers.OperationStatus.Done) return;
            _alphabet.Add(rune.Value);
            key = key[length..];
        }
    }

    /// <summary>Up to <paramref name="count"/> keys, ascending, above <paramref name="after"/> and below <paramref name="upTo"/>.</summary>
    /// <param name="within">A prefix of <paramref name="after"/>; without <paramref name="upTo"/>, keys are chosen below it.</param>
    public List<byte[]> Choose(byte[] after, byte[]? upTo, ReadOnlySpan<byte> within, int count)
    {
        List<byte[]> chosen = [];
        if (!TryRunes(after, out int[] low) || !TryRunes(within, out int[] common)) return chosen;
        int[]? high = null;
        if (upTo is not null && !TryRunes(upTo, out high)) return chosen;
        int position = high is null ? common.Length : low.AsSpan().CommonPrefixLength(high);

        List<int> candidates = [];
        for (; position <= low.Length; position++, high = null)
        {
            int above = position < low.Length ? low[position] : -1;
            foreach (int rune in _alphabet)
            {
                if (rune <= above) continue;
                // The bound's own character splits too, unless the bound ends with it.
                if (high is not null && (rune > high[position] || (rune == high[position] && high.Length == position + 1))) break;
                candidates.Add(rune);
            }
            if (candidates.Count > 0) break;
        }

        int pieces = Math.Min(count, candidates.Count);
        for (int i = 0; i < pieces; i++)
        {
            int rune = candidates[(int)((2L * i + 1) * candidates.Count / (2 * pieces))];
            chosen.Add(ToBytes(low.AsSpan(0, position), rune));
        }
        return chosen;
    }

    static bool TryRunes(ReadOnlySpan<byte> key, out int[] runes)
    {
        List<int> list = new(key.Length);
        runes = [];
        while (!key.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(key, out Rune rune, out int length) != System.Buffers.OperationStatus.Done) return false;
            list.Add(rune.Value);
            key = key[length..];
        }
        runes = [.. list];
        return true;
    }

    static byte[] ToBytes(ReadOnlySpan<int> runes, int last)
    {
        StringBuilder text = new(runes.Length + 1);
        foreach (int rune in runes) text.Append(new Rune(rune).ToString());
        text.Append(new Rune(last).ToString());
        return Encoding.UTF8.GetBytes(text.ToString());
    }
}
