using DataLayer.Formats.Tabular.Text;

namespace DataLayer.Sources.Odps;

/// <summary>The text that rows are written as. The values are part of stored files and version tags.</summary>
enum RowFormat : byte
{
    JsonLines = 0,
    Csv = 1,
}

/// <summary>
/// Where the rows of one input file lie in its text, found by decoding all of it once. Entry i tells a row, the bytes of
/// text before it in each format, and where a reader starts for it; the last entry is the end. The rows between two
/// entries are a <i>span</i>, the least that is generated at a time: 1,024 rows or 256 KiB of JSON, whichever is less. Each
/// span has its CRC-32C in each format, so that what is generated later is what was indexed, byte for byte.
/// </summary>
sealed class RowIndex
{
    public const int SpanRows = 1024;
    public const int SpanBytes = 256 << 10;

    readonly List<Entry> entries = [new Entry()];
    readonly List<GzipRestart> restarts = [];

    /// <param name="Row">Rows of the file before it.</param>
    /// <param name="Json">Bytes of JSON lines before it.</param>
    /// <param name="Csv">Bytes of CSV before it, without a header line.</param>
    /// <param name="Text">For delimited text: its offset in the uncompressed file. Parquet needs the row alone.</param>
    /// <param name="JsonCrc">Of the span that ends here.</param>
    public readonly record struct Entry(long Row, long Json, long Csv, long Text, uint JsonCrc, uint CsvCrc)
    {
        public long Offset(RowFormat format) => format == RowFormat.JsonLines ? Json : Csv;

        public uint Crc(RowFormat format) => format == RowFormat.JsonLines ? JsonCrc : CsvCrc;
    }

    public IReadOnlyList<Entry> Entries => entries;

    /// <summary>For gzip: where decompression can start.</summary>
    public List<GzipRestart> Restarts => restarts;

    public long Rows => entries[^1].Row;

    public long Bytes(RowFormat format) => entries[^1].Offset(format);

    public void Add(Entry entry) => entries.Add(entry);

    /// <summary>The span that holds a byte of the text; the offset must be below <see cref="Bytes"/>.</summary>
    public int SpanAt(RowFormat format, long offset)
    {
        // The last entry at or before the offset. Spans without text do not occur: a row ends with a line feed.
        int low = 0, high = entries.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (entries[middle].Offset(format) <= offset) low = middle;
            else high = middle - 1;
        }
        return low;
    }

    public byte[] Encode()
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(entries.Count);
        foreach (Entry entry in entries)
        {
            writer.Write(entry.Row);
            writer.Write(entry.Json);
            writer.Write(entry.Csv);
            writer.Write(entry.Text);
            writer.Write(entry.JsonCrc);
            writer.Write(entry.CsvCrc);
        }
        writer.Write(restarts.Count);
        foreach (GzipRestart restart in restarts)
        {
            writer.Write(restart.CompressedOffset);
            writer.Write((byte)restart.Bits);
            writer.Write(restart.Offset);
            StoredTable.WriteBytes(writer, restart.Window);
        }
        writer.Flush();
        return bytes.ToArray();
    }

    /// <param name="bytes">As <see cref="Encode"/> gave them; their checksum was verified.</param>
    public static RowIndex Decode(byte[] bytes)
    {
        using BinaryReader reader = new(new MemoryStream(bytes));
        RowIndex index = new();
        index.entries.Clear();
        index.entries.AddRange(StoredTable.ReadList(reader, r =>
            new Entry(r.ReadInt64(), r.ReadInt64(), r.ReadInt64(), r.ReadInt64(), r.ReadUInt32(), r.ReadUInt32())));
        index.restarts.AddRange(StoredTable.ReadList(reader, r => new GzipRestart(r.ReadInt64(), r.ReadByte(), r.ReadInt64(), StoredTable.ReadBytes(r))));
        return index;
    }
}
