using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using DataLayer.Formats;

namespace DataLayer.Sources.LocalDirectory;

/// <summary>
/// One listing of a directory tree by several threads of its own, because each stat may wait for a NAS. Directories are
/// taken last in first out, so that those known and not yet read stay few. A file changed within the last 2 s is held
/// back and looked at again when it is at rest, three times at most; the check around each read guards what is still
/// changing then.
/// </summary>
internal sealed unsafe class DirectoryWalk
{
    const int PageSize = 1000;

    /// <summary>Pages the listing may run ahead of its consumer: about 3 MB.</summary>
    const int PagesAhead = 16;

    /// <summary>A stat costs a NAS round trip: 8 at once hide most of it, and more made local disks slower.</summary>
    const int Threads = 8;

    const int SettleRounds = 3;

    /// <summary>Files held back at most (about 15 MB) before waiting for them goes first.</summary>
    const int UnsettledLimit = 64 * 1024;

    const int DirectoryBufferSize = 64 * 1024;

    readonly DirectoryTree _tree;
    readonly int _threads;
    readonly CancellationToken _cancellation;
    readonly Channel<List<SourceEntry>> _pages = Channel.CreateBounded<List<SourceEntry>>(PagesAhead);
    readonly Lock _sync = new();
    readonly Stack<byte[]> _directories = new();
    readonly Queue<Unsettled> _unsettled = new();
    readonly SemaphoreSlim _work = new(0);
    int _busy;
    int _running;
    bool _ended;
    long _progress;

    /// <param name="Round">How often it was found changing.</param>
    /// <param name="LookAgainNs">Not before this time.</param>
    readonly record struct Unsettled(SourceEntry Entry, int Round, long LookAgainNs);

    public DirectoryWalk(DirectoryTree tree, int maxThreads, CancellationToken cancellation)
    {
        _tree = tree;
        _threads = Math.Min(Threads, maxThreads);
        _cancellation = cancellation;
        _directories.Push([]);
    }

    public ChannelReader<List<SourceEntry>> Pages => _pages.Reader;

    /// <summary>Grows with every entry looked at: what a consumer watches to tell slow from stuck.</summary>
    public long Progress => Interlocked.Read(ref _progress);

    public void Start()
    {
        _running = _threads;
        for (int i = 0; i < _threads; i++)
            new Thread(Run, 256 * 1024) { IsBackground = true, Name = "directory walk" }.Start();
    }

    void Run()
    {
        Exception? fault = null;
        List<SourceEntry> page = new(PageSize);
        byte[] buffer = GC.AllocateUninitializedArray<byte>(DirectoryBufferSize);
        try
        {
            using FileDescriptor root = _tree.OpenRoot();
            while (true)
            {
                WorkKind kind = Take(out byte[] directory, out Unsettled unsettled);
                if (kind == WorkKind.End) break;
                try
                {
                    if (kind == WorkKind.Directory) ReadDirectory(root, directory, buffer, ref page);
                    else Settle(root, unsettled, ref page);
                }
                finally
                {
                    Done();
                }
            }
            if (page.Count > 0) Emit(ref page);
        }
        catch (OperationCanceledException e)
        {
            fault = e;
        }
        catch (Exception e)
        {
            fault = e as SourceException ?? new SourceException(SourceFault.Unavailable, $"Listing {_tree.RootPath} failed: {e.Message}", e);
        }
        if (fault is not null)
        {
            lock (_sync) _ended = true;
            _work.Release(_threads);
            _pages.Writer.TryComplete(fault);
        }
        if (Interlocked.Decrement(ref _running) == 0) _pages.Writer.TryComplete();
    }

    enum WorkKind
    {
        End,
        Directory,
        Unsettled,
    }

    /// <summary>Blocks until there is work or none can come any more.</summary>
    WorkKind Take(out byte[] directory, out Unsettled unsettled)
    {
        directory = [];
        unsettled = default;
        while (true)
        {
            _cancellation.ThrowIfCancellationRequested();
            int waitMs = Timeout.Infinite;
            lock (_sync)
            {
                if (_ended) return WorkKind.End;
                if (_directories.Count > 0 && _unsettled.Count < UnsettledLimit)
                {
                    directory = _directories.Pop();
                    _busy++;
                    return WorkKind.Directory;
                }
                if (_unsettled.TryPeek(out unsettled))
                {
                    long waitNs = unsettled.LookAgainNs - FileIdentity.NowNs;
                    if (waitNs <= 0)
                    {
                        _unsettled.Dequeue();
                        _busy++;
                        return WorkKind.Unsettled;
                    }
                    // A clock set back must not turn this into a long wait.
                    waitMs = (int)Math.Min(waitNs, FileIdentity.SettledAfterNs) / 1_000_000 + 1;
                }
                else if (_busy == 0)
                {
                    _ended = true;
                    _work.Release(_threads);
                    return WorkKind.End;
                }
            }
            _work.Wait(waitMs, _cancellation);
        }
    }

    void Done()
    {
        lock (_sync) _busy--;
        _work.Release();
    }

    void Push(byte[] directory)
    {
        lock (_sync) _directories.Push(directory);
        _work.Release();
    }

    /// <summary>
    /// Also true for what stayed the same over a whole wait, which a server's clock ahead of ours would keep "just
    /// changed", and for what never comes to rest. mtime need not be looked at: setting it, even back, sets ctime.
    /// </summary>
    static bool IsSettled(in SourceEntry file, in Libc.Statx stat, Unsettled? seen)
    {
        if (FileIdentity.UnsettledForNs(stat.Ctime.TotalNanoseconds, FileIdentity.NowNs) == 0) return true;
        if (seen is not { } before) return false;
        return before.Round >= SettleRounds || (before.Entry.Size == file.Size && before.Entry.VersionTag.AsSpan().SequenceEqual(file.VersionTag));
    }

    void HoldBack(in SourceEntry entry, int round)
    {
        Unsettled held = new(entry, round, FileIdentity.NowNs + FileIdentity.SettledAfterNs);
        lock (_sync) _unsettled.Enqueue(held);
        _work.Release();
    }

    void Emit(ref List<SourceEntry> page)
    {
        ValueTask write = _pages.Writer.WriteAsync(page, _cancellation);
        if (!write.IsCompletedSuccessfully) write.AsTask().GetAwaiter().GetResult();
        page = new List<SourceEntry>(PageSize);
    }

    void Add(in SourceEntry entry, ref List<SourceEntry> page)
    {
        page.Add(entry);
        if (page.Count >= PageSize) Emit(ref page);
    }

    void ReadDirectory(FileDescriptor root, byte[] key, byte[] buffer, ref List<SourceEntry> page)
    {
        using FileDescriptor directory = _tree.Open(root, key, Libc.O_RDONLY | Libc.O_DIRECTORY, out int errno);
        if (!directory.IsOpen)
        {
            if (key.Length == 0) throw _tree.Fault(errno, "open", key);
            // Removed, or replaced by something else, since its parent named it.
            if (errno is Libc.ENOENT or Libc.ENOTDIR or Libc.ELOOP or Libc.ESTALE) return;
            if (errno is Libc.EACCES or Libc.EPERM)
            {
                Add(new SourceEntry { Key = key, Kind = EntryKind.Unsupported, Mode = -1, VersionTag = [], LinkTarget = [], Remark = "directory without permission to read it" }, ref page);
                return;
            }
            throw _tree.Fault(errno, "open", key);
        }

        if (!DirectoryTree.TryStat(directory, [], force: false, out Libc.Statx self)) throw _tree.Fault(Marshal.GetLastPInvokeError(), "stat", key);
        Add(Entry(key, EntryKind.Directory, self) with { Size = 0, VersionTag = [] }, ref page);

        while (true)
        {
            nint length;
            // Safety: the buffer is pinned for the call and its own length is given.
            fixed (byte* p = buffer) length = Libc.GetDents64(directory.Number, p, (nuint)buffer.Length);
            if (length < 0)
            {
                errno = Marshal.GetLastPInvokeError();
                if (errno == Libc.EINTR) continue;
                if (errno == Libc.ENOENT) return; // removed while being read (getdents(2))
                throw _tree.Fault(errno, "reading the directory", key);
            }
            if (length == 0) return;
            ReadNames(directory, key, buffer.AsSpan(0, (int)length), ref page);
        }
    }

    /// <param name="records">struct linux_dirent64 of getdents(2): u64 inode, i64 offset, u16 record length, u8 type, NUL-terminated name.</param>
    void ReadNames(FileDescriptor directory, byte[] key, ReadOnlySpan<byte> records, ref List<SourceEntry> page)
    {
        while (records.Length > 0)
        {
            ushort recordLength = BinaryPrimitives.ReadUInt16LittleEndian(records[16..]);
            ReadOnlySpan<byte> name = records[19..recordLength];
            name = name[..name.IndexOf((byte)0)];
            records = records[recordLength..];
            if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) continue;

            byte[] child = new byte[key.Length == 0 ? name.Length : key.Length + 1 + name.Length];
            if (key.Length > 0)
            {
                key.CopyTo(child, 0);
                child[key.Length] = (byte)'/';
            }
            name.CopyTo(child.AsSpan(child.Length - name.Length));
            Look(directory, child, name, seen: null, ref page);
        }
    }

    /// <summary>Stats one name and emits it, holds it back, or queues it as a directory to read.</summary>
    /// <param name="seen">When it was held back: what it was then.</param>
    void Look(FileDescriptor directory, byte[] key, ReadOnlySpan<byte> name, Unsettled? seen, ref List<SourceEntry> page)
    {
        Interlocked.Increment(ref _progress);
        if (!DirectoryTree.TryStat(directory, name, force: seen is not null, out Libc.Statx stat))
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno is Libc.ENOENT or Libc.ESTALE) return; // removed since it was named
            if (errno is Libc.EACCES or Libc.EPERM)
            {
                Add(new SourceEntry { Key = key, Kind = EntryKind.Unsupported, Mode = -1, VersionTag = [], LinkTarget = [], Remark = "in a directory without permission to search it" }, ref page);
                return;
            }
            throw _tree.Fault(errno, "stat", key);
        }

        switch (stat.Type)
        {
            case Libc.S_IFDIR:
                // Emitted when it is opened, so that it is emitted once, and as a directory only if it can be read.
                Push(key);
                return;
            case Libc.S_IFREG:
                SourceEntry file = Entry(key, EntryKind.File, stat);
                if (IsSettled(file, stat, seen)) Add(file, ref page);
                else HoldBack(file, (seen?.Round ?? 0) + 1);
                return;
            case Libc.S_IFLNK:
                byte[]? target = DirectoryTree.ReadLink(directory, name);
                if (target is null)
                {
                    int errno = Marshal.GetLastPInvokeError();
                    if (errno is Libc.ENOENT or Libc.EINVAL or Libc.ESTALE) return; // replaced since the stat
                    throw _tree.Fault(errno, "readlink", key);
                }
                Add(Entry(key, EntryKind.Symlink, stat) with { Size = target.Length, VersionTag = [], LinkTarget = target }, ref page);
                return;
            default:
                string kind = stat.Type switch
                {
                    Libc.S_IFSOCK => "socket",
                    Libc.S_IFBLK => "block device",
                    Libc.S_IFCHR => "character device",
                    Libc.S_IFIFO => "pipe",
                    _ => "unknown file type",
                };
                Add(Entry(key, EntryKind.Unsupported, stat) with { Size = 0, VersionTag = [], Remark = kind }, ref page);
                return;
        }
    }

    void Settle(FileDescriptor root, Unsettled held, ref List<SourceEntry> page)
    {
        byte[] key = held.Entry.Key;
        int slash = key.AsSpan().LastIndexOf((byte)'/');
        using FileDescriptor directory = _tree.Open(root, slash < 0 ? [] : key.AsSpan(0, slash), Libc.O_PATH | Libc.O_DIRECTORY, out int errno);
        if (!directory.IsOpen)
        {
            if (errno is Libc.ENOENT or Libc.ENOTDIR or Libc.ELOOP or Libc.ESTALE) return;
            throw _tree.Fault(errno, "open", key);
        }
        Look(directory, key, key.AsSpan(slash + 1), held, ref page);
    }

    static SourceEntry Entry(byte[] key, EntryKind kind, in Libc.Statx stat) => new()
    {
        Key = key,
        Kind = kind,
        Size = (long)stat.Size,
        MtimeNs = stat.Mtime.TotalNanoseconds,
        Mode = stat.Mode & 0xFFF,
        Uid = stat.Uid,
        Gid = stat.Gid,
        VersionTag = new FileIdentity(stat).ToTag(),
        LinkTarget = [],
    };
}
