using System.Text;
using DataLayer.Fuse;

namespace DataLayer.TestReader;

/// <summary>How a file of <see cref="MemoryFileSystem"/> behaves when it is read.</summary>
public enum MemoryFileKind
{
    Normal,
    /// <summary>The read handler throws.</summary>
    Throws,
    /// <summary>The read handler returns without an answer.</summary>
    Forgets,
    /// <summary>Deferred and never answered, but still held.</summary>
    Hangs,
    /// <summary>Deferred, and the last reference dropped.</summary>
    Drops,
    /// <summary>Deferred, answered from the thread pool.</summary>
    Late,
    /// <summary>Deferred until interrupted, then EINTR.</summary>
    Interruptible,
    /// <summary>The handler itself never returns.</summary>
    Blocks,
}

/// <summary>One name of the tree.</summary>
public sealed class MemoryNode
{
    public required ulong Id { get; init; }
    public required uint Mode { get; init; }
    public long Size { get; set; }
    /// <summary>The content is <see cref="Pattern"/> of this seed.</summary>
    public ulong Seed { get; set; }
    public byte[] Target { get; init; } = [];
    public MemoryFileKind Kind { get; init; }
    public long ModifiedSeconds { get; set; } = 1_700_000_000;
    public uint ModifiedNanoseconds { get; init; } = 123_456_789;
    /// <summary>A hole in the middle third, for SEEK_HOLE and SEEK_DATA: its bytes are zero.</summary>
    public bool HasHole { get; init; }
    public int BackingId { get; set; }
    public SortedDictionary<string, MemoryNode> Children { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, byte[]> Xattrs { get; } = [];

    public bool IsDirectory => (Mode & 0xF000) == 0x4000;
    public (long Start, long End) Hole => (Size / 3 / 4096 * 4096, Size * 2 / 3 / 4096 * 4096);
}

/// <summary>
/// A small tree in memory, for tests of the transport. Names are kept as Latin-1 strings, so that every byte sequence is one.
/// </summary>
public sealed class MemoryFileSystem : IFuseFileSystem
{
    readonly Dictionary<ulong, MemoryNode> _nodes = [];
    readonly List<FuseRequest> _hanging = [];
    readonly ManualResetEventSlim _blocked = new();
    long _forgets;
    ulong _next = 1;

    public MemoryFileSystem() => Root = Add(0x4000 | 0x1ED);

    public MemoryNode Root { get; }
    public FuseConnection? Connection { get; private set; }
    public bool IsDisconnected { get; private set; }

    /// <summary>Answer ENOSYS to OPEN and OPENDIR where the kernel understands it.</summary>
    public bool ZeroMessages { get; init; } = true;
    public FuseOpenFlags OpenFlags { get; init; } = FuseOpenFlags.KeepCache;
    public ulong Timeout { get; init; } = FuseEntryOut.Forever;
    public bool HasXattrs { get; init; } = true;
    public bool HangsOnStatFs { get; init; }

    /// <summary>Looks files up by the last digit of their name instead of making a string of it.</summary>
    public bool AvoidsGarbage { get; init; }
    public long Forgets => Volatile.Read(ref _forgets);
    public uint Owner { get; init; }

    public MemoryNode AddDirectory(MemoryNode parent, string name) => parent.Children[name] = Add(0x4000 | 0x1ED);

    public MemoryNode AddFile(MemoryNode parent, string name, long size, MemoryFileKind kind = MemoryFileKind.Normal, bool hole = false) =>
        parent.Children[name] = Add(0x8000 | 0x1A4, size, kind, hole);

    public MemoryNode AddLink(MemoryNode parent, string name, string target)
    {
        MemoryNode node = new() { Id = _next++, Mode = 0xA000 | 0x1FF, Target = Encoding.Latin1.GetBytes(target), Size = target.Length };
        return parent.Children[name] = _nodes[node.Id] = node;
    }

    MemoryNode Add(uint mode, long size = 0, MemoryFileKind kind = MemoryFileKind.Normal, bool hole = false)
    {
        MemoryNode node = new() { Id = _next, Mode = mode, Size = size, Seed = _next, Kind = kind, HasHole = hole };
        _nodes[_next++] = node;
        return node;
    }

    /// <summary>The requests that hang, to be answered by the caller.</summary>
    public IReadOnlyList<FuseRequest> TakeHanging()
    {
        lock (_hanging)
        {
            FuseRequest[] all = [.. _hanging];
            _hanging.Clear();
            return all;
        }
    }

    public void ReleaseBlocked() => _blocked.Set();

    public void Connected(FuseConnection connection) => Connection = connection;

    public void Disconnected() => IsDisconnected = true;

    public void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name)
    {
        if (AvoidsGarbage) request.ReplyEntry(EntryOf(_nodes[2 + (ulong)(name[^1] - '0')]));
        else if (!_nodes[parent.Value].Children.TryGetValue(Encoding.Latin1.GetString(name), out MemoryNode? child)) request.ReplyNoEntry(Timeout);
        else request.ReplyEntry(EntryOf(child));
    }

    public void Forget(FuseNodeId node, ulong lookups) => Interlocked.Add(ref _forgets, (long)lookups);

    public void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle) =>
        request.ReplyAttr(new FuseAttrOut { AttrValid = Timeout, Attr = AttrOf(_nodes[node.Value]) });

    public void Statx(FuseRequest request, FuseNodeId node, FuseHandle? handle, uint mask)
    {
        FuseAttr attr = AttrOf(_nodes[node.Value]);
        FuseStatxOut statx = new() { AttrValid = Timeout };
        statx.Stat.Mask = 0x7FF | 0x800; // STATX_BASIC_STATS, STATX_BTIME
        statx.Stat.BlkSize = 4096;
        statx.Stat.NLink = attr.NLink;
        statx.Stat.Uid = attr.Uid;
        statx.Stat.Gid = attr.Gid;
        statx.Stat.Mode = (ushort)attr.Mode;
        statx.Stat.Ino = attr.Ino;
        statx.Stat.Size = attr.Size;
        statx.Stat.Blocks = attr.Blocks;
        FuseSxTime modified = new() { TvSec = (long)attr.MTime, TvNsec = attr.MTimeNsec };
        statx.Stat.ATime = statx.Stat.MTime = statx.Stat.CTime = modified;
        statx.Stat.BTime = new FuseSxTime { TvSec = 1_600_000_000 };
        request.ReplyStatx(statx);
    }

    public void ReadLink(FuseRequest request, FuseNodeId node) => request.ReplyData(_nodes[node.Value].Target);

    public void Open(FuseRequest request, FuseNodeId node, uint flags)
    {
        MemoryNode file = _nodes[node.Value];
        if (file.BackingId > 0)
            request.ReplyOpen(new FuseOpenOut { Handle = new(file.Id), OpenFlags = FuseOpenFlags.Passthrough, BackingId = file.BackingId });
        else if (ZeroMessages && Connection!.Negotiation.Has(FuseFeatures.NoOpenSupport)) request.ReplyError(Errno.ENOSYS);
        else request.ReplyOpen(new FuseOpenOut { Handle = new(node.Value), OpenFlags = OpenFlags });
    }

    public void OpenDir(FuseRequest request, FuseNodeId node, uint flags)
    {
        if (ZeroMessages && Connection!.Negotiation.Has(FuseFeatures.NoOpenDirSupport)) request.ReplyError(Errno.ENOSYS);
        else request.ReplyOpen(new FuseOpenOut { Handle = new(node.Value), OpenFlags = FuseOpenFlags.KeepCache | FuseOpenFlags.CacheDir });
    }

    public void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size)
    {
        MemoryNode file = _nodes[node.Value];
        switch (file.Kind)
        {
            case MemoryFileKind.Throws:
                throw new InvalidDataException("This file cannot be read.");
            case MemoryFileKind.Forgets:
                return;
            case MemoryFileKind.Blocks:
                _blocked.Wait();
                request.ReplyError(Errno.EIO);
                return;
            case MemoryFileKind.Hangs:
                request.Defer();
                lock (_hanging) _hanging.Add(request);
                return;
            case MemoryFileKind.Drops:
                request.Defer();
                return;
            case MemoryFileKind.Interruptible:
                request.Defer();
                request.Cancellation.UnsafeRegister(static state => ((FuseRequest)state!).ReplyError(Errno.EINTR), request);
                return;
            case MemoryFileKind.Late:
                AnswerLater(request, file, offset, size);
                return;
            default:
                Answer(request, file, offset, size);
                return;
        }
    }

    public void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size, bool plus)
    {
        FuseDirectoryWriter entries = new(request, size);
        ulong index = 0;
        Span<byte> bytes = stackalloc byte[255];
        foreach ((string name, MemoryNode child) in _nodes[node.Value].Children)
        {
            if (index++ < offset) continue;
            int length = Encoding.Latin1.GetBytes(name, bytes);
            bool fits = plus
                ? entries.TryAddPlus(bytes[..length], EntryOf(child), index)
                : entries.TryAdd(bytes[..length], child.Id, (FuseEntryType)(child.Mode >> 12), index);
            if (!fits) break;
        }
        request.ReplyDirectory(entries);
    }

    public void StatFs(FuseRequest request, FuseNodeId node)
    {
        if (HangsOnStatFs)
        {
            request.Defer();
            lock (_hanging) _hanging.Add(request);
            return;
        }
        request.ReplyStatFs(new FuseKStatFs { Blocks = 1000, BFree = 10, BAvail = 5, Files = (ulong)_nodes.Count, BSize = 4096, FrSize = 4096, NameLen = 255 });
    }

    public void GetXattr(FuseRequest request, FuseNodeId node, ReadOnlySpan<byte> name, int size)
    {
        if (!HasXattrs) request.ReplyError(Errno.ENOSYS);
        else if (_nodes[node.Value].Xattrs.TryGetValue(Encoding.Latin1.GetString(name), out byte[]? value)) request.ReplyXattr(value);
        else request.ReplyError(Errno.ENODATA);
    }

    public void ListXattr(FuseRequest request, FuseNodeId node, int size)
    {
        if (!HasXattrs) request.ReplyError(Errno.ENOSYS);
        else request.ReplyXattr(Encoding.Latin1.GetBytes(string.Concat(_nodes[node.Value].Xattrs.Keys.Select(static key => key + "\0"))));
    }

    public void LSeek(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, FuseWhence whence)
    {
        MemoryNode file = _nodes[node.Value];
        (long start, long end) = file.HasHole ? file.Hole : (file.Size, file.Size);
        bool inHole = (long)offset >= start && (long)offset < end;
        if (offset >= (ulong)file.Size) request.ReplyError(Errno.ENXIO);
        else if (whence == FuseWhence.Data) request.ReplySeek(inHole ? (ulong)end : offset);
        else request.ReplySeek(inHole ? offset : (long)offset < start ? (ulong)start : (ulong)file.Size);
    }

    public void Ioctl(FuseRequest request, FuseNodeId node, FuseHandle handle, uint command, ReadOnlySpan<byte> input, int outputSize)
    {
        // _IOWR('D', 1, u64): adds one.
        if (command == 0xC008_4401 && input.Length == 8 && outputSize == 8)
            request.ReplyIoctl(7, BitConverter.GetBytes(BitConverter.ToUInt64(input) + 1));
        else request.ReplyError(Errno.ENOTTY);
    }

    /// <summary>The bytes that a file must show.</summary>
    public static void Fill(MemoryNode file, Span<byte> destination, long offset)
    {
        Pattern.Fill(destination, file.Seed, offset);
        if (!file.HasHole) return;
        long from = Math.Clamp(file.Hole.Start - offset, 0, destination.Length);
        long to = Math.Clamp(file.Hole.End - offset, 0, destination.Length);
        destination[(int)from..(int)to].Clear();
    }

    // Apart, because the closure would be made at the entry of a method that has it, whether it is used or not.
    static void AnswerLater(FuseRequest request, MemoryNode file, ulong offset, int size)
    {
        request.Defer();
        ThreadPool.UnsafeQueueUserWorkItem(_ => Answer(request, file, offset, size), null);
    }

    static void Answer(FuseRequest request, MemoryNode file, ulong offset, int size)
    {
        int length = (int)Math.Clamp(file.Size - (long)offset, 0, size);
        Memory<byte> payload = request.TakePayload(length);
        Fill(file, payload.Span, (long)offset);
        request.ReplyPayload(length);
    }

    FuseEntryOut EntryOf(MemoryNode node) => new()
    {
        NodeId = new FuseNodeId(node.Id),
        EntryValid = Timeout,
        AttrValid = Timeout,
        Attr = AttrOf(node),
    };

    FuseAttr AttrOf(MemoryNode node) => new()
    {
        Ino = node.Id,
        Size = (ulong)node.Size,
        Blocks = ((ulong)node.Size + 511) / 512,
        ATime = (ulong)node.ModifiedSeconds,
        MTime = (ulong)node.ModifiedSeconds,
        CTime = (ulong)node.ModifiedSeconds,
        ATimeNsec = node.ModifiedNanoseconds,
        MTimeNsec = node.ModifiedNanoseconds,
        CTimeNsec = node.ModifiedNanoseconds,
        Mode = node.Mode,
        NLink = node.IsDirectory ? 2u : 1u,
        Uid = Owner,
        Gid = Owner,
        BlkSize = 4096,
    };
}
