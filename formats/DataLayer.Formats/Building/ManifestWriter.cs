using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats;

/// <summary>Lays the collected sections out in one file.</summary>
internal static class ManifestWriter
{
    internal static void Write(SafeFileHandle file, ManifestColumns columns, ManifestMeta meta, NodeTable nodes, CancellationToken cancellation)
    {
        List<Part> parts =
        [
            Bytes(Section.Meta, meta.Encode()),
            Bytes(Section.Classes, columns.Classes),
            Values(Section.Size, columns.Size),
            Values(Section.Mtime, columns.Mtime),
            Values(Section.Class, columns.Class),
            Values(Section.Node, columns.Node, nodes.Salted),
            Values(Section.TagA, columns.TagA),
            Values(Section.TagB, columns.TagB),
            Values(Section.NameBlock, columns.NameBlock),
            Bytes(Section.Names, columns.Names),
            Values(Section.DirectoryFirst, columns.DirectoryFirst),
            Values(Section.DirectoryEntry, columns.DirectoryEntry),
            // Width 1 for an empty table too: its number of rows is its length divided by its width.
            Values(Section.NodeTable, columns.NodeTable, minimumWidth: 1),
            Bytes(Section.SizeOverflow, columns.SizeOverflow),
            Values(Section.BlockPack, columns.BlockPack),
            Values(Section.BlockOffset, columns.BlockOffset),
            Values(Section.BlockUnit, columns.BlockUnit),
            Bytes(Section.Packs, columns.Packs),
            Values(Section.PackIndex, columns.PackIndex),
            Bytes(Section.LargeIndex, columns.LargeIndex),
            Bytes(Section.Heap, columns.Heap),
            Bytes(Section.Report, columns.Report),
        ];

        using ContentWriter content = new(file);
        long offset = ManifestFormat.HeaderSize + ((long)parts.Count * ManifestFormat.SectionRowSize);
        byte[] row = new byte[ManifestFormat.SectionRowSize];
        foreach (Part part in parts)
        {
            (part.Row with { Offset = offset }).Write(row);
            content.Write(row);
            offset = (offset + part.Row.Length + 7) & ~7;
        }
        foreach (Part part in parts)
        {
            cancellation.ThrowIfCancellationRequested();
            part.Write(content);
            content.Align();
        }
        content.Finish(parts.Count);
    }

    sealed record Part(SectionRow Row, Action<ContentWriter> Write);

    static Part Bytes(Section id, byte[] bytes) =>
        new(new SectionRow(id, 0, 0, bytes.Length, 0, 1), content => content.Write(bytes));

    static Part Bytes(Section id, Spool spool) => new(new SectionRow(id, 0, 0, spool.Length, 0, 1), content =>
    {
        for (Spool.Cursor cursor = spool.Open(); !cursor.AtEnd;) content.Write(cursor.TakeSome(1 << 16));
    });

    static Part Values(Section id, ColumnSpool column, Dictionary<uint, ulong>? instead = null, int minimumWidth = 0)
    {
        int width = Math.Max(minimumWidth, instead is { Count: > 0 } ? 8 : column.Width);
        return new Part(new SectionRow(id, width, 0, (long)column.Count * width, column.Origin, column.Scale), content =>
        {
            if (width == 0) return;
            Span<byte> bytes = stackalloc byte[8];
            Spool.Cursor cursor = column.Open();
            for (uint i = 0; i < (uint)column.Count; i++)
            {
                ulong value = cursor.TakeUInt64();
                if (instead is { Count: > 0 } && instead.TryGetValue(i, out ulong other)) value = other;
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, (value - column.Origin) / column.Scale);
                content.Write(bytes[..width]);
            }
        });
    }
}
