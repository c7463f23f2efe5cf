using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>Takes listed entries in any order: judges their keys and hands records to the sorter, for implied directories too.</summary>
internal sealed class EntryCollector
{
    // Remembers which directories have a record in the sorter's memory. Only those need to be exact: what was forgotten or
    // written out is added again and falls away in the merge. 64 K slots cover what a listing has open at a time.
    readonly RecordSorter.Handle?[] _directories = new RecordSorter.Handle?[1 << 16];

    static readonly SourceEntry Implied = new() { Key = [], Kind = EntryKind.Directory, Mode = -1, Uid = -1, Gid = -1 };

    readonly KeyJudge _judge;
    readonly RecordSorter _entries;
    readonly ReportCollector _report;
    readonly byte[] _path = new byte[ManifestFormat.MaxPath];
    readonly byte[] _key = new byte[EntryRecord.DepthSize + ManifestFormat.MaxPath];
    readonly byte[] _directoryKey = new byte[EntryRecord.DepthSize + ManifestFormat.MaxPath];
    readonly byte[] _rest = new byte[EntryRecord.MaxRest];

    internal EntryCollector(KeyJudge judge, RecordSorter entries, ReportCollector report, int sources)
    {
        _judge = judge;
        _entries = entries;
        _report = report;
        for (int i = 0; i < sources; i++)
        {
            judge.SubPath(i).CopyTo(_path);
            AddDirectories(i, SetKey(judge.SubPath(i).Length));
        }
    }

    internal void Add(int source, in SourceEntry entry)
    {
        if (_judge.Judge(source, entry, _path, out int length, out bool marker, out bool isDirectory) is KeyRule rule)
        {
            _report.Add(source, entry.Key, rule, entry.Remark);
            return;
        }
        ReadOnlySpan<byte> key = SetKey(length);
        RecordRank rank = isDirectory ? RecordRank.ExplicitDirectory : RecordRank.FileOrSymlink;
        SourceEntry kept = isDirectory ? entry with { Kind = EntryKind.Directory, Size = 0 } : entry;
        // A marker's time says when someone made the marker, not when the directory changed.
        bool isMarker = isDirectory && (marker || entry.Kind != EntryKind.Directory);
        long mtime = isMarker ? SourceEntry.NoTime : entry.MtimeNs;
        _entries.Add(key, _rest.AsSpan(0, EntryRecord.WriteRest(_rest, rank, source, marker, kept, mtime)));
        AddDirectories(source, key[..Math.Max(EntryRecord.DepthSize, key.LastIndexOf((byte)0))]);
    }

    /// <summary>Sort key of the first <paramref name="length"/> bytes of the path.</summary>
    ReadOnlySpan<byte> SetKey(int length)
    {
        Span<byte> key = _key.AsSpan(0, EntryRecord.DepthSize + length);
        Span<byte> path = key[EntryRecord.DepthSize..];
        _path.AsSpan(0, length).CopyTo(path);
        int separators = path.Count((byte)'/');
        path.Replace((byte)'/', (byte)0);
        BinaryPrimitives.WriteUInt16BigEndian(key, (ushort)(length == 0 ? 0 : separators + 1));
        return key;
    }

    /// <summary>
    /// Adds records for a directory and those above it, from below, up to one that has its record in memory: those above it
    /// have theirs, as they were added together.
    /// </summary>
    void AddDirectories(int source, ReadOnlySpan<byte> directory)
    {
        Span<byte> key = _directoryKey;
        directory.CopyTo(key);
        int length = directory.Length;
        while (true)
        {
            Span<byte> path = key[EntryRecord.DepthSize..length];
            BinaryPrimitives.WriteUInt16BigEndian(key, (ushort)(path.IsEmpty ? 0 : path.Count((byte)0) + 1));
            Span<byte> current = key[..length];
            ref RecordSorter.Handle? slot = ref _directories[PackBoundaries.Hash(current) % (ulong)_directories.Length];
            if (slot is RecordSorter.Handle known && _entries.HasKey(known, current)) return;
            int rest = EntryRecord.WriteRest(_rest, RecordRank.ImpliedDirectory, source, marker: false, Implied, SourceEntry.NoTime);
            slot = _entries.Add(current, _rest.AsSpan(0, rest));
            if (path.IsEmpty) return;
            length = EntryRecord.DepthSize + Math.Max(0, path.LastIndexOf((byte)0));
        }
    }
}
