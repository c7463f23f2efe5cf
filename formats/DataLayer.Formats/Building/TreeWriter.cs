using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>
/// The one pass over the sorted records: picks a winner per path, numbers entries and directories, and fills the columns.
/// Holds a few buffers, whatever the number of entries.
/// </summary>
internal sealed class TreeWriter : IDisposable
{
    readonly ManifestColumns _columns;
    readonly ReportCollector _report;
    readonly KeyJudge _judge;
    readonly Digest[] _sources;
    readonly int _nodeIdBits;
    readonly IdOrder _nodeIds;
    readonly PackWriter _packs;
    readonly DirectoryQueue _directories;
    readonly NameBlockWriter _names;
    readonly ClassTable _classes;
    readonly Spool _mtimes;

    readonly byte[] _lastKey = new byte[EntryRecord.DepthSize + ManifestFormat.MaxPath];
    int _lastKeyLength = -1;
    bool _lastIsDirectory;
    readonly byte[] _path = new byte[ManifestFormat.MaxPath];

    internal int EntryCount { get; private set; }
    internal int DirectoryCount => _directories.Count;
    internal int ClassCount => _classes.Count;
    internal int PackCount => _packs.Count;
    internal long FileCount { get; private set; }
    internal long TotalBytes { get; private set; }

    internal TreeWriter(
        ManifestColumns columns, IdOrder nodeIds, IdOrder packIds, IdOrder largeIds, TempFiles temp, KeyJudge judge,
        ReportCollector report, IReadOnlyList<ManifestSource> sources, LayoutParameters layout, int nodeIdBits)
    {
        _columns = columns;
        _report = report;
        _judge = judge;
        _sources = [.. sources.Select(source => Recipe.Source(source.Identity))];
        _nodeIdBits = nodeIdBits;
        _nodeIds = nodeIds;
        _packs = new PackWriter(columns, packIds, largeIds, layout);
        _directories = new DirectoryQueue(temp, columns);
        _names = new NameBlockWriter(temp, columns);
        _classes = new ClassTable(columns.Classes);
        _mtimes = new Spool(temp);
    }

    internal void Write(IRecordStream records, CancellationToken cancellation)
    {
        while (records.MoveNext())
        {
            ReadOnlySpan<byte> bytes = records.Current;
            EntryRecord record = new(RecordSorter.Key(bytes), RecordSorter.Rest(bytes));
            if (record.Key.SequenceEqual(_lastKey.AsSpan(0, Math.Max(0, _lastKeyLength)))) ReportLoser(record);
            else WriteEntry(record);
            if ((EntryCount & 0xFFF) == 0) cancellation.ThrowIfCancellationRequested();
        }
        _directories.Finish(EntryCount);
        _packs.Finish();
        _names.Finish(DirectoryCount);
        WriteMtimes();
    }

    /// <summary>Directories' times are known only after their children, so they are put between the others' at the end.</summary>
    void WriteMtimes()
    {
        Spool.Cursor mtimes = _mtimes.Open(), directories = _columns.DirectoryEntry.Open(), directoryMtimes = _directories.OpenMtimes();
        ulong nextDirectory = directories.TakeUInt64();
        for (ulong entry = 0; entry < (ulong)EntryCount; entry++)
        {
            bool isDirectory = entry == nextDirectory;
            _columns.Mtime.Add((isDirectory ? directoryMtimes : mtimes).TakeUInt64() ^ Manifest.SignBit);
            if (isDirectory) nextDirectory = directoryMtimes.AtEnd ? ulong.MaxValue : directories.TakeUInt64();
        }
    }

    void ReportLoser(in EntryRecord record)
    {
        if (record.Rank == RecordRank.ImpliedDirectory) return;
        ReadOnlySpan<byte> key = KeyOf(record, SetPath(record));
        byte[] listed = record.IsMarker ? [.. key, (byte)'/'] : key.ToArray();
        _report.Add(record.Source, listed, _lastIsDirectory && record.Rank == RecordRank.FileOrSymlink ? KeyRule.AlsoDirectory : KeyRule.Duplicate);
    }

    void WriteEntry(in EntryRecord record)
    {
        if (EntryCount == int.MaxValue - 1)
            throw new ManifestException($"A snapshot holds at most {int.MaxValue - 1} entries. Split the dataset.");
        int entry = EntryCount++;
        record.Key.CopyTo(_lastKey);
        _lastKeyLength = record.Key.Length;
        _lastIsDirectory = record.Kind == EntryKind.Directory;

        ReadOnlySpan<byte> path = SetPath(record);
        if (!record.IsRoot) _directories.Enter(entry, record.Path);
        _names.Add(entry, path[(path.LastIndexOf((byte)'/') + 1)..]);
        _packs.BeginEntry(entry);
        switch (record.Kind)
        {
            case EntryKind.Directory: WriteDirectory(entry, record, path); break;
            case EntryKind.File: WriteFile(entry, record, path); break;
            default: WriteSymlink(entry, record, path); break;
        }
    }

    void WriteDirectory(int entry, in EntryRecord record, ReadOnlySpan<byte> path)
    {
        _columns.Size.Add((ulong)_directories.Count);
        _directories.Add(entry, record.Path, record.MtimeNs);
        WriteRest(entry, record, TagForm.None, 0, 0, Recipe.DirectoryNode(path));
    }

    void WriteFile(int entry, in EntryRecord record, ReadOnlySpan<byte> path)
    {
        ReadOnlySpan<byte> key = KeyOf(record, path);
        Digest recipe = Recipe.File(_sources[record.Source], key, record.VersionTag, record.Size);
        TagForm form = VersionTag.Encode(record.VersionTag, out ulong a, out ulong b);
        if (form == TagForm.Heap) (a, b) = AddToHeap(record.VersionTag);

        AddSize(entry, record.Size);
        _directories.AddChildMtime(record.MtimeNs);
        _packs.AddFile(entry, record.Source, key, record.Size, recipe);
        WriteRest(entry, record, form, a, b, Recipe.FileNode(path, recipe));
        FileCount++;
        // Sizes that sum up to more than eight exbibytes are a hostile listing's; statfs cannot say more either.
        TotalBytes = record.Size > long.MaxValue - TotalBytes ? long.MaxValue : TotalBytes + record.Size;
    }

    void WriteSymlink(int entry, in EntryRecord record, ReadOnlySpan<byte> path)
    {
        (ulong offset, ulong length) = AddToHeap(record.LinkTarget);
        AddSize(entry, record.LinkTarget.Length);
        WriteRest(entry, record, TagForm.Heap, offset, length, Recipe.SymlinkNode(path, record.LinkTarget));
    }

    void WriteRest(int entry, in EntryRecord record, TagForm form, ulong tagA, ulong tagB, NodeId node)
    {
        _columns.Class.Add((ulong)_classes.Find(new EntryClass(record.Kind, form, record.Source, record.Mode, record.Uid, record.Gid)));
        _columns.TagA.Add(tagA);
        _columns.TagB.Add(tagB);
        if (record.Kind != EntryKind.Directory) _mtimes.Append((ulong)(record.MtimeNs == SourceEntry.NoTime ? 0 : record.MtimeNs));
        node = NodeTable.Narrow(node, _nodeIdBits);
        _columns.Node.Add(node.Value);
        if (node != NodeId.Root) _nodeIds.Add(node.Value, (uint)entry);
    }

    void AddSize(int entry, long size)
    {
        if (size < ManifestFormat.SizeOverflow)
        {
            _columns.Size.Add((ulong)size);
            return;
        }
        _columns.Size.Add(ManifestFormat.SizeOverflow);
        Span<byte> row = stackalloc byte[ManifestFormat.SizeOverflowRowSize];
        BinaryPrimitives.WriteUInt32LittleEndian(row, (uint)entry);
        BinaryPrimitives.WriteInt64LittleEndian(row[4..], size);
        _columns.SizeOverflow.Append(row);
    }

    (ulong Offset, ulong Length) AddToHeap(ReadOnlySpan<byte> bytes)
    {
        ulong offset = (ulong)_columns.Heap.Length;
        _columns.Heap.Append(bytes);
        return (offset, (ulong)bytes.Length);
    }

    ReadOnlySpan<byte> SetPath(in EntryRecord record)
    {
        Span<byte> path = _path.AsSpan(0, record.Path.Length);
        record.Path.Replace(path, (byte)0, (byte)'/');
        return path;
    }

    ReadOnlySpan<byte> KeyOf(in EntryRecord record, ReadOnlySpan<byte> path)
    {
        int prefix = _judge.SubPath(record.Source).Length;
        return prefix == 0 ? path : path[Math.Min(path.Length, prefix + 1)..];
    }

    public void Dispose()
    {
        _directories.Dispose();
        _packs.Dispose();
        _names.Dispose();
        _mtimes.Dispose();
    }
}
