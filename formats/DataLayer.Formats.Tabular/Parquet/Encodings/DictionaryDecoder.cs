using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Parquet.Encodings;

/// <summary>Indexes into the chunk's dictionary: a byte of bit width, then a hybrid.</summary>
/// <param name="dictionary">The dictionary page's values, decoded.</param>
internal sealed class DictionaryDecoder(ColumnVector dictionary, FaultSite site) : ValueDecoder(site)
{
    // Indexes are decoded in steps that stay in the first-level cache.
    readonly int[] indexes = new int[1024];
    HybridDecoder runs;

    protected override void StartPage()
    {
        int width = 0;
        // A page of nulls may have no bytes at all here.
        if (Position < End) width = Buffer[Position++];
        if (width > 32) throw Site.Corrupt($"dictionary indexes of {width} bits");
        runs = new HybridDecoder(Buffer, Position, End, width);
    }

    public override void Decode(int count, ColumnVector vector)
    {
        while (count > 0)
        {
            Span<int> step = indexes.AsSpan(0, Math.Min(count, indexes.Length));
            if (!runs.TryDecode(step)) throw TooShort();
            count -= step.Length;
            switch (vector.ValueSize)
            {
                case 0: Gather(step, dictionary.Slices, vector.AppendSlices(step.Length)); break;
                case 1: Gather(step, dictionary.FixedBytes, vector.AppendFixed(step.Length)); break;
                case 4: Gather(step, dictionary.Values<int>(), MemoryMarshal.Cast<byte, int>(vector.AppendFixed(step.Length))); break;
                case 8: Gather(step, dictionary.Values<long>(), MemoryMarshal.Cast<byte, long>(vector.AppendFixed(step.Length))); break;
                default: Gather(step, dictionary.Values<Int96>(), MemoryMarshal.Cast<byte, Int96>(vector.AppendFixed(step.Length))); break;
            }
        }
    }

    void Gather<T>(ReadOnlySpan<int> from, ReadOnlySpan<T> values, Span<T> to) where T : unmanaged
    {
        for (int i = 0; i < from.Length; i++)
        {
            int index = from[i];
            if ((uint)index >= (uint)values.Length) throw Site.Corrupt($"dictionary index {(uint)index}, but the dictionary has {values.Length} values");
            to[i] = values[index];
        }
    }
}
