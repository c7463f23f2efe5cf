using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>
/// Collects (id, ordinal) pairs and yields them in order in bounded memory. Ids are hashes, that is uniform: the pairs are
/// read once per range of ids, and each range sorted in memory. At 10⁷ pairs that is ten passes over 120 MB.
/// </summary>
internal sealed class IdOrder(TempFiles temp, long memory) : IDisposable
{
    const int PairSize = 12;
    // In memory: 8 bytes of id, 4 of ordinal, and as much again for the growth of the lists.
    const int PairMemory = 2 * PairSize;

    readonly Spool _pairs = new(temp);

    internal long Count => _pairs.Length / PairSize;

    internal void Add(ulong id, uint ordinal)
    {
        Span<byte> pair = stackalloc byte[PairSize];
        BinaryPrimitives.WriteUInt64LittleEndian(pair, id);
        BinaryPrimitives.WriteUInt32LittleEndian(pair[8..], ordinal);
        _pairs.Append(pair);
    }

    /// <param name="overrides">Ids that replace those added, by ordinal.</param>
    internal IEnumerable<(ulong Id, uint Ordinal)> InOrder(IReadOnlyDictionary<uint, ulong> overrides)
    {
        ulong passes = (ulong)Math.Max(1, ((Count * PairMemory) + memory - 1) / memory);
        ulong[] ids = new ulong[1 << 8];
        uint[] ordinals = new uint[1 << 8];
        for (ulong pass = 0; pass < passes; pass++)
        {
            int count = 0;
            Spool.Cursor cursor = _pairs.Open();
            while (!cursor.AtEnd)
            {
                ulong id = cursor.TakeUInt64();
                uint ordinal = cursor.TakeUInt32();
                if (overrides.Count > 0 && overrides.TryGetValue(ordinal, out ulong instead)) id = instead;
                if (Math.BigMul(id, passes, out _) != pass) continue;
                if (count == ids.Length)
                {
                    Array.Resize(ref ids, 2 * count);
                    Array.Resize(ref ordinals, 2 * count);
                }
                ids[count] = id;
                ordinals[count++] = ordinal;
            }
            Array.Sort(ids, ordinals, 0, count);
            for (int start = 0; start < count;)
            {
                int end = start + 1;
                while (end < count && ids[end] == ids[start]) end++;
                // Array.Sort is not stable.
                if (end - start > 1) Array.Sort(ordinals, start, end - start);
                for (; start < end; start++) yield return (ids[start], ordinals[start]);
            }
        }
    }

    public void Dispose() => _pairs.Dispose();
}
