using DataLayer.Formats;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Sources.Odps;

/// <summary>
/// The rows of one snapshot of a table: its input files in the order of the rows, with the size of each one's text. The
/// row views of the snapshot are read through it, so it is stored, under the digest of its bytes, beside the snapshot.
/// </summary>
sealed class StoredTable
{
    readonly List<Input> inputs = [];
    readonly List<long> jsonStarts = [0];
    readonly List<long> csvStarts = [0];

    public sealed record Input(RowRecipe Recipe, long Rows, long JsonBytes, long CsvBytes);

    public StoredTable(byte[] csvHeader)
    {
        CsvHeader = csvHeader;
        csvStarts[0] = csvHeader.Length;
    }

    /// <summary>The line of column names that rows.csv begins with.</summary>
    public byte[] CsvHeader { get; }

    public IReadOnlyList<Input> Inputs => inputs;

    public long Rows { get; private set; }

    public void Add(Input input)
    {
        inputs.Add(input);
        Rows += input.Rows;
        jsonStarts.Add(jsonStarts[^1] + input.JsonBytes);
        csvStarts.Add(csvStarts[^1] + input.CsvBytes);
    }

    /// <summary>Bytes of the view.</summary>
    public long Bytes(RowFormat format) => Starts(format)[^1];

    /// <summary>Offset of an input's first row in the view.</summary>
    public long Start(RowFormat format, int input) => Starts(format)[input];

    /// <summary>The input that a byte of the view comes from; not one of the header.</summary>
    public int InputAt(RowFormat format, long offset)
    {
        List<long> starts = Starts(format);
        int found = starts.BinarySearch(offset);
        if (found < 0) return ~found - 1;
        // Inputs without rows begin where the next one does: the last of them has the byte.
        while (starts[found + 1] == offset) found++;
        return found;
    }

    List<long> Starts(RowFormat format) => format == RowFormat.JsonLines ? jsonStarts : csvStarts;

    public byte[] Encode()
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write("datalayer table 1\n");
        writer.Write(RowFormatter.Version);
        WriteBytes(writer, CsvHeader);
        writer.Write(inputs.Count);
        foreach (Input input in inputs)
        {
            input.Recipe.Write(writer);
            writer.Write(input.Rows);
            writer.Write(input.JsonBytes);
            writer.Write(input.CsvBytes);
        }
        writer.Flush();
        return bytes.ToArray();
    }

    /// <param name="bytes">As <see cref="Encode"/> gave them; their digest was verified.</param>
    /// <exception cref="SourceException">Written by a version whose rows are other bytes than ours.</exception>
    public static StoredTable Decode(byte[] bytes)
    {
        using BinaryReader reader = new(new MemoryStream(bytes));
        if (reader.ReadString() != "datalayer table 1\n" || reader.ReadInt32() != RowFormatter.Version)
            throw new SourceException(SourceFault.Changed, "The rows of this snapshot were indexed by another version of dl-fuse, which writes them differently; make a new snapshot.");
        StoredTable table = new(ReadBytes(reader));
        foreach (Input input in ReadList(reader, r => new Input(RowRecipe.ReadFrom(r), r.ReadInt64(), r.ReadInt64(), r.ReadInt64()))) table.Add(input);
        return table;
    }

    internal static void WriteBytes(BinaryWriter writer, byte[] bytes)
    {
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    internal static byte[] ReadBytes(BinaryReader reader) => reader.ReadBytes(reader.ReadInt32());

    internal static T[] ReadList<T>(BinaryReader reader, Func<BinaryReader, T> read)
    {
        T[] items = new T[reader.ReadInt32()];
        for (int i = 0; i < items.Length; i++) items[i] = read(reader);
        return items;
    }
}
