namespace DataLayer.Formats.Tabular.Text;

/// <summary>A place between two deflate blocks of a gzip file from which it can be decompressed without what is before.</summary>
/// <param name="CompressedOffset">Byte of the file that the next block's first whole byte is.</param>
/// <param name="Bits">0 to 7: how many high bits of the byte before belong to the next block.</param>
/// <param name="Offset">Uncompressed bytes before this place, over all members of the file.</param>
/// <param name="Window">The last uncompressed bytes before it, 32 KiB at most, themselves deflated.</param>
public sealed record GzipRestart(long CompressedOffset, int Bits, long Offset, byte[] Window)
{
    /// <summary>
    /// Uncompressed bytes between two places. Starting at one decompresses half of this for nothing, 15 ms; each costs
    /// about 10 KB of index, 0.1%.
    /// </summary>
    public const long Spacing = 8 << 20;

    /// <summary>The last place at or before <paramref name="offset"/>, or null for the file's start.</summary>
    public static GzipRestart? Before(IReadOnlyList<GzipRestart> restarts, long offset)
    {
        int low = 0, high = restarts.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (restarts[middle].Offset <= offset) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? null : restarts[low - 1];
    }
}
