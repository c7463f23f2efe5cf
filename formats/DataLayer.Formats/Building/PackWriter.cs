using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DataLayer.Formats;

/// <summary>Divides the packable files into packs as they come, and writes the pack table and the checkpoints of each block of entries.</summary>
internal sealed class PackWriter(ManifestColumns columns, IdOrder packIds, IdOrder largeIds, LayoutParameters layout) : IDisposable
{
    readonly IncrementalHash _id = Recipe.StartPack();
    PackBoundaries _boundaries = new(layout);
    int _first;
    long _length;
    int _files;

    internal int Count { get; private set; }

    internal void BeginEntry(int entry)
    {
        if ((entry & (ManifestFormat.BlockEntries - 1)) != 0) return;
        columns.BlockPack.Add((ulong)Count);
        columns.BlockOffset.Add((ulong)_length);
        columns.BlockUnit.Add((ulong)_files);
    }

    internal void AddFile(int entry, int source, ReadOnlySpan<byte> key, long size, in Digest recipe)
    {
        if (size == 0) return;
        if (!PackBoundaries.IsPackable(size, layout))
        {
            largeIds.Add(((ulong)Manifest.LargePrefix(recipe) << 32) | (uint)entry, (uint)entry);
            return;
        }
        if (_boundaries.Next(source, key, size))
        {
            Finish();
            Count++;
            _first = entry;
        }
        Recipe.AppendToPack(_id, recipe);
        _length += size;
        _files++;
    }

    /// <summary>Ends the open pack, if any.</summary>
    internal void Finish()
    {
        if (_files == 0) return;
        BlockFileId id = Recipe.FinishPack(_id);
        Span<byte> row = stackalloc byte[ManifestFormat.PackRowSize];
        id.Value.Write(row);
        BinaryPrimitives.WriteInt32LittleEndian(row[32..], _first);
        BinaryPrimitives.WriteInt32LittleEndian(row[36..], _files);
        BinaryPrimitives.WriteInt64LittleEndian(row[40..], _length);
        columns.Packs.Append(row);
        packIds.Add(id.Value.A, (uint)Count - 1);
        _length = 0;
        _files = 0;
    }

    public void Dispose() => _id.Dispose();
}
