using System.Buffers.Binary;
using DataLayer.Formats;

namespace DataLayer.Sources.Odps;

/// <summary>The files that one stored table appears as, beside the views as a whole.</summary>
sealed class RowViewFiles(StoredTable table, Digest id, IReadOnlyList<RowIndex> indexes)
{
    // What a loader reads in seconds and shuffles in memory.
    const long UsualPart = 256 << 20;

    public Digest Id => id;

    /// <summary>
    /// The index for readers: pairs of little-endian 64-bit numbers, a row and the byte offset at which its line begins, in
    /// ascending order, at most 1,024 rows apart for Parquet; the last pair is the number of rows and the size.
    /// </summary>
    public byte[] OffsetIndex(RowFormat format)
    {
        (long Row, long Offset)[] pairs = [.. Pairs(format), (table.Rows, table.Bytes(format))];
        byte[] bytes = new byte[16 * pairs.Length];
        for (int i = 0; i < pairs.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16 * i), pairs[i].Row);
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16 * i + 8), pairs[i].Offset);
        }
        return bytes;
    }

    /// <summary>Parts of about equal size that begin where spans do. More parts than spans leave the last ones empty.</summary>
    /// <param name="count">0 for one per 256 MiB.</param>
    /// <returns>Each with where it begins in the whole.</returns>
    public IReadOnlyList<(TableReport.View Part, long Start)> Parts(int count)
    {
        long size = table.Bytes(RowFormat.JsonLines);
        if (count == 0) count = (int)Math.Clamp((size + UsualPart - 1) / UsualPart, 1, 99_999);
        List<(long Row, long Offset)> begins = [];
        foreach ((long Row, long Offset) pair in Pairs(RowFormat.JsonLines))
        {
            if (begins.Count == count) break;
            if (pair.Offset >= (decimal)size * begins.Count / count) begins.Add(pair);
        }
        while (begins.Count <= count) begins.Add((table.Rows, size));
        return [.. Enumerable.Range(0, count).Select(i => (new TableReport.View(
            $"part-{i:00000}-of-{count:00000}.jsonl", begins[i].Row, begins[i + 1].Row - begins[i].Row, begins[i + 1].Offset - begins[i].Offset, null), begins[i].Offset))];
    }

    /// <summary>Where each span begins.</summary>
    IEnumerable<(long Row, long Offset)> Pairs(RowFormat format)
    {
        long row = 0;
        for (int i = 0; i < indexes.Count; i++)
        {
            IReadOnlyList<RowIndex.Entry> entries = indexes[i].Entries;
            for (int e = 0; e < entries.Count - 1; e++) yield return (row + entries[e].Row, table.Start(format, i) + entries[e].Offset(format));
            row += indexes[i].Rows;
        }
    }
}
