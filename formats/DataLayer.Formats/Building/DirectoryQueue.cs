using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>
/// The directories met so far whose children have not come yet. In breadth-first order they take their children in the
/// order in which they were met themselves, so one open directory and a queue on disk are enough.
/// </summary>
internal sealed class DirectoryQueue : IDisposable
{
    readonly ManifestColumns _columns;
    readonly Spool _queue;
    readonly Spool.Cursor _waiting;
    readonly Spool _mtimes;

    readonly byte[] _path = new byte[ManifestFormat.MaxPath];
    int _pathLength = -1;
    readonly byte[] _firstName = new byte[ManifestFormat.MaxName];
    int _shared = -1;
    long _mtime;
    long _newestFile = SourceEntry.NoTime;

    internal int Count { get; private set; }

    internal DirectoryQueue(TempFiles temp, ManifestColumns columns)
    {
        _columns = columns;
        _queue = new Spool(temp);
        _waiting = _queue.Open();
        _mtimes = new Spool(temp);
    }

    /// <param name="path">Components separated by 0.</param>
    internal void Add(int entry, ReadOnlySpan<byte> path, long mtimeNs)
    {
        Count++;
        _columns.DirectoryEntry.Add((ulong)entry);
        Span<byte> row = stackalloc byte[10];
        BinaryPrimitives.WriteInt64LittleEndian(row, mtimeNs);
        BinaryPrimitives.WriteUInt16LittleEndian(row[8..], (ushort)path.Length);
        _queue.Append(row);
        _queue.Append(path);
    }

    /// <summary>Makes the directory of the entry the open one; an entry's directory is always in the queue before it.</summary>
    internal void Enter(int entry, ReadOnlySpan<byte> path)
    {
        ReadOnlySpan<byte> parent = path[..Math.Max(0, path.LastIndexOf((byte)0))];
        while (_pathLength < 0 || !parent.SequenceEqual(_path.AsSpan(0, _pathLength))) OpenNext(entry);
        ReadOnlySpan<byte> name = path[(path.LastIndexOf((byte)0) + 1)..];
        if (_shared < 0)
        {
            name.CopyTo(_firstName);
            _shared = name.Length;
        }
        else
        {
            _shared = name.CommonPrefixLength(_firstName.AsSpan(0, _shared));
        }
    }

    internal void AddChildMtime(long mtimeNs) => _newestFile = Math.Max(_newestFile, mtimeNs);

    void OpenNext(int entry)
    {
        Close();
        ReadOnlySpan<byte> row = _waiting.Take(10);
        _mtime = BinaryPrimitives.ReadInt64LittleEndian(row);
        _pathLength = BinaryPrimitives.ReadUInt16LittleEndian(row[8..]);
        _waiting.Take(_pathLength).CopyTo(_path);
        _newestFile = SourceEntry.NoTime;
        _shared = -1;
        _columns.DirectoryFirst.Add((ulong)entry);
    }

    /// <summary>Writes what only all children tell. A directory without a time of its own has that of its newest file, or the epoch.</summary>
    void Close()
    {
        if (_pathLength < 0) return;
        long mtime = _mtime != SourceEntry.NoTime ? _mtime : _newestFile;
        _columns.DirectoryShared.Add((ulong)Math.Max(0, _shared));
        _mtimes.Append((ulong)(mtime != SourceEntry.NoTime ? mtime : 0));
    }

    internal void Finish(int entryCount)
    {
        while (!_waiting.AtEnd) OpenNext(entryCount);
        Close();
        _columns.DirectoryFirst.Add((ulong)entryCount);
        _columns.DirectoryEntry.Add(0);
        _columns.DirectoryShared.Add(0);
    }

    /// <summary>The directories' times, in the order of their numbers.</summary>
    internal Spool.Cursor OpenMtimes() => _mtimes.Open();

    public void Dispose()
    {
        _queue.Dispose();
        _mtimes.Dispose();
    }
}
