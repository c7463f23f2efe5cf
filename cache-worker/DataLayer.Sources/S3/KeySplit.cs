using System.Buffers;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>
/// Guesses keys at which to cut a range that nothing is known of but its last page. The keys above one key K are those
/// that share its first p characters and continue with a higher one, for each p: few and surely there for a large p,
/// many but perhaps not there for a small one. So a guess is made for each p, more for those near the place where the
/// last page's keys vary, with characters that were seen to vary. Works on characters, not bytes, because servers refuse
/// keys that are not UTF-8; their byte order is the same.
/// </summary>
internal sealed class KeySplit
{
    readonly SortedSet<int> _varying = [];

    /// <summary>Learns the characters in which neighbours of a page differ.</summary>
    public void Learn(List<SourceEntry> page)
    {
        for (int i = 1; i < page.Count; i++)
        {
            ReadOnlySpan<byte> a = page[i - 1].Key, b = page[i].Key;
            int common = a.CommonPrefixLength(b);
            if (common == a.Length || common == b.Length) continue;
            // Back to where the character begins.
            while (common > 0 && (a[common] & 0xC0) == 0x80) common--;
            if (Rune.DecodeFromUtf8(a[common..], out Rune left, out _) == OperationStatus.Done) _varying.Add(left.Value);
            if (Rune.DecodeFromUtf8(b[common..], out Rune right, out _) == OperationStatus.Done) _varying.Add(right.Value);
        }
    }

    /// <summary>Up to <paramref name="count"/> keys, ascending, above <paramref name="after"/> and below <paramref name="upTo"/>.</summary>
    /// <param name="within">A prefix of <paramref name="after"/> that is not left.</param>
    /// <param name="page">The page that ended with <paramref name="after"/>, not empty.</param>
    /// <param name="keysPerPiece">Pieces that seem to have fewer are not cut off.</param>
    public List<byte[]> Choose(byte[] after, byte[]? upTo, ReadOnlySpan<byte> within, List<SourceEntry> page, double keysPerPiece, int count)
    {
        if (!TryRunes(after, out int[] low) || !TryRunes(within, out int[] common)) return [];
        int[]? high = null;
        if (upTo is not null && !TryRunes(upTo, out high)) return [];
        int top = high is null ? common.Length : low.AsSpan().CommonPrefixLength(high);
        if (!TryRunes(page[0].Key, out int[] start)) return [];
        int varies = Math.Max(top, low.AsSpan().CommonPrefixLength(start));

        // From the deepest: where the page's keys begin to differ. What is below that is less than a page.
        List<(int Position, List<int> Higher, long Room)> levels = [];
        double keysEach = (double)page.Count / CountVarying(start, low, varies);
        for (int position = Math.Min(varies, low.Length); position >= top; position--, keysEach *= Math.Max(2, _varying.Count))
        {
            List<int> higher = HigherAt(low, high, top, position);
            long room = Math.Min(higher.Count, (long)(higher.Count * keysEach / keysPerPiece));
            if (room > 0) levels.Add((position, higher, room));
        }

        int[] guesses = new int[levels.Count];
        for (int level = 0, given = 0, tried = 0; given < count && tried < levels.Count; level = (level + 1) % levels.Count)
        {
            bool room = guesses[level] < levels[level].Room;
            if (room) guesses[level]++;
            given += room ? 1 : 0;
            tried = room ? 0 : tried + 1;
        }
        // The deepest level has the lowest keys. Its first one is too near to be worth a cut.
        List<byte[]> chosen = [];
        for (int level = 0; level < levels.Count; level++)
        {
            (int position, List<int> higher, _) = levels[level];
            int skip = level == 0 ? 1 : 0;
            for (int i = 0; i < guesses[level]; i++)
                chosen.Add(ToBytes(low.AsSpan(0, position), higher[(int)((long)(i + skip) * higher.Count / (guesses[level] + skip))]));
        }
        return chosen;
    }

    /// <summary>How many different characters ascending keys took at a place, from the first to the last; at least 1.</summary>
    int CountVarying(int[] first, int[] last, int position)
    {
        if (position >= first.Length || position >= last.Length || first[position] > last[position]) return 1;
        return Math.Max(1, _varying.GetViewBetween(first[position], last[position]).Count);
    }

    List<int> HigherAt(int[] low, int[]? high, int top, int position)
    {
        int above = position < low.Length ? low[position] : -1;
        List<int> higher = [];
        foreach (int rune in _varying)
        {
            if (rune <= above) continue;
            // The bound's own character cuts too, unless the bound ends with it.
            if (high is not null && position == top && (rune > high[top] || (rune == high[top] && high.Length == top + 1))) break;
            higher.Add(rune);
        }
        return higher;
    }

    static bool TryRunes(ReadOnlySpan<byte> key, out int[] runes)
    {
        List<int> list = new(key.Length);
        runes = [];
        while (!key.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(key, out Rune rune, out int length) != OperationStatus.Done) return false;
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
