using System.Threading.Channels;
using DataLayer.Formats;
using DataLayer.Sources.LocalDirectory;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// One listing of an export, several directories at a time. Directories are taken last in first out, so that those known
/// and not yet read stay few. A file changed within the last 2 s is held back and looked at again when it is at rest,
/// three times at most; the check after each read guards what is still changing then.
/// </summary>
internal sealed class NfsWalk(NfsClient client, CancellationToken cancellation)
{
    /// <summary>Pages the listing may run ahead of its consumer: about 3 MB.</summary>
    const int PagesAhead = 16;

    const int PageSize = 1000;

    /// <summary>Directories read at once: hides 10 ms of latency at 1,600 directories/s, and leaves the server's threads to others.</summary>
    const int Workers = 16;

    const int SettleRounds = 3;

    /// <summary>Calls under way for single entries of one directory (links to read).</summary>
    const int AskedAtOnce = 16;

    /// <summary>Of one directory that changes while it is read, on servers that do not go on in a changed one.</summary>
    const int MaxRestarts = 8;

    /// <summary>Files held back at most (about 15 MB) before waiting for them goes first.</summary>
    const int UnsettledLimit = 64 * 1024;

    readonly Channel<List<SourceEntry>> _pages = Channel.CreateBounded<List<SourceEntry>>(PagesAhead);
    readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    readonly Lock _sync = new();
    readonly Stack<Directory> _directories = new();
    readonly Queue<Unsettled> _unsettled = new();
    readonly SemaphoreSlim _work = new(0);
    int _busy;
    bool _ended;

    readonly record struct Directory(byte[] Key, byte[] Handle);

    /// <param name="Round">How often it was found changing.</param>
    /// <param name="LookAgainNs">Not before this time.</param>
    readonly record struct Unsettled(SourceEntry Entry, int Round, long LookAgainNs);

    public ChannelReader<List<SourceEntry>> Pages => _pages.Reader;

    /// <summary>Ends when all workers have; a fault comes out of <see cref="Pages"/>.</summary>
    public async Task RunAsync()
    {
        Exception? fault = null;
        try
        {
            NfsRoot root = await client.RootAsync(client.NewDeadline(), _stop.Token);
            _directories.Push(new Directory([], root.Handle));
            Task[] workers = [.. Enumerable.Range(0, Workers).Select(_ => Task.Run(WorkAsync, CancellationToken.None))];
            await Task.WhenAll(workers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Task? failed = Array.Find(workers, w => w.IsFaulted) ?? Array.Find(workers, w => w.IsCanceled);
            if (failed is not null) await failed;
        }
        catch (Exception e)
        {
            fault = e is SourceException or OperationCanceledException
                ? e
                : new SourceException(SourceFault.Unavailable, $"Listing {client.Identity} failed: {e.Message}", e);
        }
        _pages.Writer.TryComplete(fault);
        _stop.Dispose();
    }

    async Task WorkAsync()
    {
        List<SourceEntry> page = new(PageSize);
        try
        {
            while (true)
            {
                (WorkKind kind, Directory directory, Unsettled unsettled) = await TakeAsync();
                if (kind == WorkKind.End) break;
                page = kind == WorkKind.Directory ? await ReadDirectoryAsync(directory, page) : await SettleAsync(unsettled, page);
                lock (_sync) _busy--;
                _work.Release();
            }
            if (page.Count > 0) await EmitAsync(page);
        }
        catch
        {
            await _stop.CancelAsync();
            throw;
        }
    }

    enum WorkKind
    {
        End,
        Directory,
        Unsettled,
    }

    /// <summary>Waits until there is work or none can come any more.</summary>
    async ValueTask<(WorkKind, Directory, Unsettled)> TakeAsync()
    {
        while (true)
        {
            _stop.Token.ThrowIfCancellationRequested();
            int waitMs = Timeout.Infinite;
            lock (_sync)
            {
                if (_ended) return (WorkKind.End, default, default);
                if (_directories.Count > 0 && _unsettled.Count < UnsettledLimit)
                {
                    _busy++;
                    return (WorkKind.Directory, _directories.Pop(), default);
                }
                if (_unsettled.TryPeek(out Unsettled held))
                {
                    long waitNs = held.LookAgainNs - FileIdentity.NowNs;
                    if (waitNs <= 0)
                    {
                        _unsettled.Dequeue();
                        _busy++;
                        return (WorkKind.Unsettled, default, held);
                    }
                    // A clock set back must not turn this into a long wait.
                    waitMs = (int)(Math.Min(waitNs, FileIdentity.SettledAfterNs) / 1_000_000) + 1;
                }
                else if (_busy == 0)
                {
                    _ended = true;
                    _work.Release(Workers);
                    return (WorkKind.End, default, default);
                }
            }
            await _work.WaitAsync(waitMs, _stop.Token);
        }
    }

    void Push(Directory directory)
    {
        lock (_sync) _directories.Push(directory);
        _work.Release();
    }

    async ValueTask<List<SourceEntry>> EmitAsync(List<SourceEntry> page)
    {
        await _pages.Writer.WriteAsync(page, _stop.Token);
        return new List<SourceEntry>(PageSize);
    }

    async ValueTask<List<SourceEntry>> ReadDirectoryAsync(Directory directory, List<SourceEntry> page)
    {
        // Of a directory that does not fit one page: a page repeated, or a name renamed in between, may come twice.
        HashSet<byte[]>? seen = null;
        bool announced = false;
        int restarts = 0;
        ulong cookie = 0, verifier = 0;
        List<Task<SourceEntry?>> asked = [];
        while (true)
        {
            Deadline deadline = client.NewDeadline();
            ReadDirectoryCall call = new(client.Protocol, directory.Handle, cookie, verifier);
            NfsStatus status = await client.CallAsync(call, deadline, _stop.Token);
            if (status.IsStale())
            {
                // Gone, or the server forgot its handles (a restart, a move).
                if (await FindAgainAsync(directory, deadline) is not { } again) return page;
                directory = again;
                (cookie, verifier) = (0, 0);
                continue;
            }
            if ((status is NfsStatus.BadCookie or NfsStatus.NotSame) && cookie != 0 && restarts++ < MaxRestarts)
            {
                (cookie, verifier) = (0, 0);
                continue;
            }
            if (status.IsGone() && directory.Key.Length > 0) return page; // replaced since its parent named it
            if (status.IsDenied() && directory.Key.Length > 0)
            {
                page.Add(Unreadable(directory.Key, "directory without permission to read it"));
                return page;
            }
            if (status != NfsStatus.Ok) throw client.Fault(status, "reading the directory", directory.Key);

            DirectoryReply reply = call.Reply;
            if (!announced)
            {
                NfsAttributes self = reply.Attributes ?? await client.AttributesAsync(directory.Handle, directory.Key, deadline, _stop.Token);
                page.Add(Entry(directory.Key, EntryKind.Directory, self) with { Size = 0, VersionTag = [] });
                announced = true;
                if (directory.Key.Length > 0) client.Handles.Set(directory.Key, directory.Handle);
            }
            if (!reply.IsEnd) seen ??= new HashSet<byte[]>(ByteKeyComparer.Instance);
            foreach (DirectoryItem item in reply.Items)
            {
                if (seen is not null && !seen.Add(item.Name)) continue;
                ValueTask<SourceEntry?> looking = LookAsync(directory, item, deadline);
                if (!looking.IsCompletedSuccessfully) asked.Add(looking.AsTask());
                else if (looking.Result is { } entry) page.Add(entry);
                if (asked.Count >= AskedAtOnce) await CollectAsync(asked, page);
                if (page.Count >= PageSize) page = await EmitAsync(page);
            }
            await CollectAsync(asked, page);
            if (reply.IsEnd) return page;
            if (reply.Cookie == cookie)
                throw new SourceException(SourceFault.Unavailable, $"{client.Display(directory.Key)}: the server gives the same page of the directory again and again.");
            cookie = reply.Cookie;
            verifier = reply.Verifier;
        }
    }

    static async ValueTask CollectAsync(List<Task<SourceEntry?>> asked, List<SourceEntry> page)
    {
        foreach (Task<SourceEntry?> task in asked)
            if (await task is { } entry) page.Add(entry);
        asked.Clear();
    }

    async ValueTask<Directory?> FindAgainAsync(Directory directory, Deadline deadline)
    {
        if (directory.Key.Length == 0)
        {
            NfsRoot root = await client.RootAsync(deadline, _stop.Token);
            if (root.Handle.AsSpan().SequenceEqual(directory.Handle)) root = await client.MountAsync(root, deadline, _stop.Token);
            return directory with { Handle = root.Handle };
        }
        NfsFound found = await client.ResolveAsync(directory.Key, fresh: true, deadline, _stop.Token);
        if (found.Status.IsGone() || (found.Status == NfsStatus.Ok && found.Attributes.Type != NfsType.Directory)) return null;
        if (found.Status != NfsStatus.Ok) throw client.Fault(found.Status, "looking it up", directory.Key);
        if (found.Handle.AsSpan().SequenceEqual(directory.Handle))
            throw new SourceException(SourceFault.Unavailable, $"{client.Display(directory.Key)}: the server calls its own new file handle stale.");
        return directory with { Handle = found.Handle };
    }

    /// <returns>What to emit; null when it is queued, held back or gone.</returns>
    async ValueTask<SourceEntry?> LookAsync(Directory directory, DirectoryItem item, Deadline deadline)
    {
        byte[] key = directory.Key.Length == 0 ? item.Name : [.. directory.Key, (byte)'/', .. item.Name];
        // A referral (RFC 7530, section 8.4.3). nfs-ganesha also calls so every directory with the mode bit 01000 that nobody may search.
        if (item.Status == NfsStatus.Moved) return Unreadable(key, "moved to another server");
        if (item.Handle is { } handle && item.Attributes is { } attributes) return await JudgeAsync(key, handle, attributes, null, deadline);

        LookupCall lookup = new(client.Protocol, directory.Handle, item.Name);
        NfsStatus status = await client.CallAsync(lookup, deadline, _stop.Token);
        if (status.IsGone()) return null; // removed since it was named
        if (status.IsDenied()) return Unreadable(key, "in a directory without permission to search it");
        if (status != NfsStatus.Ok) throw client.Fault(status, "looking it up", key);
        attributes = lookup.Reply.Attributes ?? await client.AttributesAsync(lookup.Reply.Handle, key, deadline, _stop.Token);
        return await JudgeAsync(key, lookup.Reply.Handle, attributes, null, deadline);
    }

    /// <param name="seen">When it was held back: what it was then.</param>
    async ValueTask<SourceEntry?> JudgeAsync(byte[] key, byte[] handle, NfsAttributes attributes, Unsettled? seen, Deadline deadline)
    {
        switch (attributes.Type)
        {
            case NfsType.Directory:
                // Emitted when it is read, so that it is emitted as a directory only if it can be.
                Push(new Directory(key, handle));
                return null;
            case NfsType.File:
                SourceEntry file = Entry(key, EntryKind.File, attributes);
                if (IsSettled(file, attributes, seen)) return file;
                lock (_sync) _unsettled.Enqueue(new Unsettled(file, (seen?.Round ?? 0) + 1, FileIdentity.NowNs + FileIdentity.SettledAfterNs));
                _work.Release();
                return null;
            case NfsType.Symlink:
                ReadLinkCall link = new(client.Protocol, handle);
                NfsStatus status = await client.CallAsync(link, deadline, _stop.Token);
                if (status.IsGone()) return null; // replaced since
                if (status != NfsStatus.Ok) throw client.Fault(status, "reading the link", key);
                return Entry(key, EntryKind.Symlink, attributes) with { Size = link.Reply.Target.Length, VersionTag = [], LinkTarget = link.Reply.Target };
            default:
                string kind = attributes.Type switch
                {
                    NfsType.Socket => "socket",
                    NfsType.BlockDevice => "block device",
                    NfsType.CharacterDevice => "character device",
                    NfsType.Pipe => "pipe",
                    _ => "unknown file type",
                };
                return Entry(key, EntryKind.Unsupported, attributes) with { Size = 0, VersionTag = [], Remark = kind };
        }
    }

    /// <summary>
    /// Also true for what stayed the same over a whole wait, which a server's clock ahead of ours would keep "just
    /// changed", and for what never comes to rest.
    /// </summary>
    static bool IsSettled(in SourceEntry file, in NfsAttributes attributes, Unsettled? seen)
    {
        if (FileIdentity.UnsettledForNs(attributes.LastChangeNs, FileIdentity.NowNs) == 0) return true;
        if (seen is not { } before) return false;
        return before.Round >= SettleRounds || (before.Entry.Size == file.Size && before.Entry.VersionTag.AsSpan().SequenceEqual(file.VersionTag));
    }

    async ValueTask<List<SourceEntry>> SettleAsync(Unsettled held, List<SourceEntry> page)
    {
        Deadline deadline = client.NewDeadline();
        byte[] key = held.Entry.Key;
        NfsFound found = await client.ResolveAsync(key, fresh: false, deadline, _stop.Token);
        if (found.Status.IsGone()) found = await client.ResolveAsync(key, fresh: true, deadline, _stop.Token);
        if (found.Status.IsGone()) return page;
        if (found.Status != NfsStatus.Ok) throw client.Fault(found.Status, "looking it up", key);
        if (await JudgeAsync(key, found.Handle, found.Attributes, held, deadline) is { } entry) page.Add(entry);
        return page.Count >= PageSize ? await EmitAsync(page) : page;
    }

    static SourceEntry Unreadable(byte[] key, string remark) =>
        new() { Key = key, Kind = EntryKind.Unsupported, Mode = -1, Uid = -1, Gid = -1, MtimeNs = SourceEntry.NoTime, VersionTag = [], LinkTarget = [], Remark = remark };

    static SourceEntry Entry(byte[] key, EntryKind kind, in NfsAttributes attributes) => new()
    {
        Key = key,
        Kind = kind,
        Size = attributes.Size,
        MtimeNs = attributes.MtimeNs,
        Mode = attributes.Mode,
        Uid = attributes.Uid,
        Gid = attributes.Gid,
        VersionTag = attributes.Identity.ToTag(),
        LinkTarget = [],
    };
}
