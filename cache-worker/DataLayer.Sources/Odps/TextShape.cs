using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Text;

namespace DataLayer.Sources.Odps;

/// <summary>How one delimited text file is read: what the user said and what its first rows showed.</summary>
sealed record TextShape(char Delimiter, bool Quotes, string Null, int HeaderLines, IReadOnlyList<string> Columns)
{
    // The first line of a table of a thousand columns fits.
    const int SampleSize = 64 << 10;

    public DelimitedTextOptions Options => new() { Delimiter = Delimiter, UseQuotes = Quotes, NullIndicator = Null, HeaderLines = HeaderLines };

    /// <exception cref="TabularException">Its first row cannot be read.</exception>
    public static async Task<TextShape> DetectAsync(IRandomAccess file, bool compressed, string name, TextExport export, CancellationToken cancellation)
    {
        char delimiter = export.Delimiter ?? await DelimiterAsync(file, compressed, name, cancellation);
        TextShape shape = new(delimiter, export.Quotes, export.Null, export.HeaderLines, []);
        int fields = await DelimitedTextReader.CountColumnsAsync(file, compressed, shape.Options, cancellation);
        return shape with { Columns = export.Columns ?? [.. Enumerable.Range(0, Math.Max(1, fields)).Select(i => $"_c{i}")] };
    }

    static async Task<char> DelimiterAsync(IRandomAccess file, bool compressed, string name, CancellationToken cancellation)
    {
        string extension = Path.GetExtension(name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? name[..^3] : name).ToLowerInvariant();
        if (extension == ".csv") return ',';
        if (extension == ".tsv") return '\t';
        byte[] sample = new byte[SampleSize];
        await using Stream content = compressed ? GzipReader.Open(file) : new RandomAccessStream(file);
        int length = 0;
        try
        {
            for (int read; length < sample.Length && (read = await content.ReadAsync(sample.AsMemory(length), cancellation)) > 0;) length += read;
        }
        catch (InvalidDataException e)
        {
            throw new TabularException(TabularFault.Corrupt, file.Name, 0, null, $"the gzip data does not decompress: {e.Message}", e);
        }
        ReadOnlySpan<byte> line = sample.AsSpan(0, length);
        if (line.IndexOf((byte)'\n') is var end and >= 0) line = line[..end];
        return line.Contains((byte)1) ? '\u0001' : line.Contains((byte)'\t') || !line.Contains((byte)',') ? '\t' : ',';
    }

    public void Write(BinaryWriter writer)
    {
        writer.Write(Delimiter);
        writer.Write(Quotes);
        writer.Write(Null);
        writer.Write(HeaderLines);
        writer.Write(Columns.Count);
        foreach (string column in Columns) writer.Write(column);
    }

    public static TextShape Read(BinaryReader reader) =>
        new(reader.ReadChar(), reader.ReadBoolean(), reader.ReadString(), reader.ReadInt32(), StoredTable.ReadList(reader, r => r.ReadString()));
}
