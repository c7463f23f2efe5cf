using DataLayer.Formats;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Sources.Odps;

/// <summary>
/// Everything that the text of one input file's rows depends on, beside the formatter's version: which version of which
/// file, which of its columns in which order, and what stands between them.
/// </summary>
/// <param name="Read">Columns read from the file.</param>
/// <param name="Constants">Partition values, and nulls for columns that other files of the table have.</param>
/// <param name="Text">Of delimited text.</param>
sealed record RowRecipe(SourceFile File, TableFormat Format, IReadOnlyList<string> Read, IReadOnlyList<ConstantColumn> Constants, TextShape? Text)
{
    /// <summary>Of all text in views. Invalid UTF-8 in a text column is an error, since no row may be wrong in silence.</summary>
    public FormatOptions FormatOptions => new() { Constants = Constants };

    public string Name => System.Text.Encoding.UTF8.GetString(File.Key);

    public void Write(BinaryWriter writer)
    {
        StoredTable.WriteBytes(writer, File.Key);
        writer.Write(File.Size);
        StoredTable.WriteBytes(writer, File.VersionTag);
        writer.Write((byte)Format);
        writer.Write(Read.Count);
        foreach (string column in Read) writer.Write(column);
        writer.Write(Constants.Count);
        foreach (ConstantColumn constant in Constants)
        {
            writer.Write(constant.Before);
            writer.Write(constant.Name);
            writer.Write(constant.Value is not null);
            if (constant.Value is not null) writer.Write(constant.Value);
        }
        writer.Write(Text is not null);
        Text?.Write(writer);
    }

    public static RowRecipe ReadFrom(BinaryReader reader) => new(
        new SourceFile(StoredTable.ReadBytes(reader), reader.ReadInt64(), StoredTable.ReadBytes(reader)),
        (TableFormat)reader.ReadByte(),
        StoredTable.ReadList(reader, r => r.ReadString()),
        StoredTable.ReadList(reader, r => new ConstantColumn(r.ReadInt32(), r.ReadString(), r.ReadBoolean() ? r.ReadString() : null)),
        reader.ReadBoolean() ? TextShape.Read(reader) : null);

    /// <summary>The id of these rows as text: the name their index is stored under.</summary>
    /// <param name="source">Identity of the source that the file is in.</param>
    public Digest Id(string source)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write("datalayer rows 1\n");
        writer.Write(RowFormatter.Version);
        writer.Write(source);
        Write(writer);
        writer.Flush();
        return Digest.Of(bytes.ToArray());
    }
}
