using DataLayer.Formats.Tabular.Parquet.Encodings;

namespace DataLayer.Formats.Tabular.Parquet;

/// <summary>The repetition or definition levels of one page.</summary>
internal struct LevelDecoder(byte[] buffer, int start, int end, int highest, bool bitPacked)
{
    readonly int width = WidthOf(highest);
    HybridDecoder runs = new(buffer, start, end, WidthOf(highest));
    long bit = (long)start * 8;

    /// <summary>Bits that levels up to <paramref name="highest"/> need.</summary>
    public static int WidthOf(int highest) => 32 - System.Numerics.BitOperations.LeadingZeroCount((uint)highest);

    /// <summary>Fills <paramref name="levels"/>; null, or what is wrong.</summary>
    public string? Decode(Span<byte> levels)
    {
        if (!bitPacked)
        {
            if (!runs.TryDecode(levels)) return "the levels end before the page's last value";
        }
        else
        {
            if (bit + (long)levels.Length * width > (long)end * 8) return "the levels end before the page's last value";
            BitUnpacker.UnpackBigEndian(buffer, bit, width, levels);
            bit += (long)levels.Length * width;
        }
        int wrong = levels.IndexOfAnyExceptInRange((byte)0, (byte)highest);
        return wrong < 0 ? null : $"level {levels[wrong]} in a column of levels up to {highest}";
    }
}
