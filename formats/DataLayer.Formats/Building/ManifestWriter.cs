using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats;

/// <summary>Lays the collected sections out in one file.</summary>
internal static class ManifestWriter
{
    internal static void Write(SafeFileHandle file, ManifestColumns columns, ManifestMeta meta, CancellationToken cancellation)
    {
        List<Part> parts =
        [
            Bytes(Section.Meta, meta.Encode()),
            Bytes(Section.Classes, columns.Classes),
            Rows((Section.Class, columns.Class), (Section.Size, columns.Size), (Section.Mtime, columns.Mtime), (Section.Node, columns.Node)),
            Rows((Section.TagA, columns.TagA), (Section.TagB, columns.TagB)),
            Rows((Section.NameOffset, columns.NameOffset), (Section.NameFence, columns.NameFence)),
            Bytes(Section.Names, columns.Names),
            Rows((Section.DirectoryFirst, columns.DirectoryFirst), (Section.DirectoryEntry, columns.DirectoryEntry), (Section.DirectoryShared, columns.DirectoryShared)),
            Rows((Section.NodeTable, columns.NodeTable)),
            Bytes(Section.SizeOverflow, columns.SizeOverflow),
            Rows((Section.BlockPack, columns.BlockPack), (Section.BlockOffset, columns.BlockOffset), (Section.BlockUnit, columns.BlockUnit)),
            Bytes(Section.Packs, columns.Packs),
            Rows((Section.PackIndex, columns.PackIndex)),
            Bytes(Section.LargeIndex, columns.LargeIndex),
            Bytes(Section.Heap, columns.Heap),
            Bytes(Section.Report, columns.Report),
        ];

        using ContentWriter content = new(file);
        int sections = parts.Sum(part => part.Sections.Length);
        long offset = ManifestFormat.HeaderSize + ((long)sections * ManifestFormat.SectionRowSize);
        byte[] bytes = new byte[ManifestFormat.SectionRowSize];
        foreach (Part part in parts)
        {
            foreach (SectionRow section in part.Sections)
            {
                (section with { Offset = offset + section.Offset }).Write(bytes);
                content.Write(bytes);
            }
            offset = (offset + part.Length + 7) & ~7;
        }
        foreach (Part part in parts)
        {
            cancellation.ThrowIfCancellationRequested();
            part.Write(content);
            content.Align();
        }
        content.Finish(sections);
    }

    /// <summary>What lies together in the file; the sections' offsets are relative to its beginning.</summary>
    sealed record Part(SectionRow[] Sections, long Length, Action<ContentWriter> Write);

    static Part Bytes(Section id, byte[] bytes) =>
        new([new SectionRow(id, 0, 0, 0, bytes.Length, 0, 1)], bytes.Length, content => content.Write(bytes));

    static Part Bytes(Section id, Spool spool) => new([new SectionRow(id, 0, 0, 0, spool.Length, 0, 1)], spool.Length, content =>
    {
        for (Spool.Cursor cursor = spool.Open(); !cursor.AtEnd;) content.Write(cursor.TakeSome(1 << 16));
    });

    /// <summary>Columns of equally many values, row by row.</summary>
    static Part Rows(params (Section Id, ColumnSpool Column)[] columns)
    {
        int stride = columns.Sum(column => column.Column.Width);
        int count = columns[0].Column.Count;
        SectionRow[] sections = new SectionRow[columns.Length];
        int at = 0;
        for (int i = 0; i < columns.Length; i++)
        {
            ColumnSpool column = columns[i].Column;
            if (column.Count != count) throw new InvalidOperationException($"{columns[i].Id} has {column.Count} values beside {count}.");
            sections[i] = new SectionRow(columns[i].Id, column.Width, stride, at, count, column.Origin, column.Scale);
            at += column.Width;
        }
        return new Part(sections, (long)stride * count, content =>
        {
            byte[] row = new byte[stride + 8];
            Spool.Cursor[] cursors = [.. columns.Select(column => column.Column.Open())];
            for (int i = 0; i < count; i++)
            {
                int filled = 0;
                for (int c = 0; c < cursors.Length; c++)
                {
                    ColumnSpool column = columns[c].Column;
                    // Eight bytes each; the next value overwrites what is beyond the width.
                    BinaryPrimitives.WriteUInt64LittleEndian(row.AsSpan(filled), (cursors[c].TakeUInt64() - column.Origin) / column.Scale);
                    filled += column.Width;
                }
                content.Write(row.AsSpan(0, stride));
            }
        });
    }
}
