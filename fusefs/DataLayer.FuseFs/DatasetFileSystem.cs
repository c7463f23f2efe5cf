using System.Text;
using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Fuse;

namespace DataLayer.FuseFs;

/// <summary>
/// A dataset as a POSIX tree: node id → manifest entry → block and offset. Holds no state per node or open file, so FORGET
/// costs nothing and a new process can take over where this one stopped. The current snapshot changes as a whole by
/// <see cref="Switch"/>; what a reader still holds of an older one is answered from there for as long as it is kept.
/// </summary>
/// <remarks>Called from several threads. Everything answered here the kernel keeps for ever (see <see cref="EntryValid"/>):
/// a snapshot never changes, and a switch invalidates what differs.</remarks>
sealed class DatasetFileSystem : IFuseFileSystem
{
    // Manifests of earlier snapshots kept for readers that hold old files. More would pin disk space for readers that
    // have ignored seven refreshes.
    const int KeptSnapshots = 8;

    // A directory offset is generation << 32 | position, so that a listing begun in one snapshot goes on in it. 20 bits of
    // generation and 32 of position stay below the 2^63-1 that telldir can hold.
    const int GenerationShift = 32;
    const int GenerationMask = (1 << 20) - 1;

    // Positions 0 and 1 of a directory are "." and "..".
    const int FirstChild = 2;

    readonly AttributeView attributes;
    readonly bool xattr;
    readonly SemaphoreSlim waitingReads;
    readonly bool follows;
    OpenFiles? openFiles;
    volatile MountedSnapshot[] snapshots;
    FuseConnection? connection;
    ulong entryValid = FuseEntryOut.Forever;

    /// <param name="openFiles">For <see cref="OpenMode.Passthrough"/>; null: files open without a message.</param>
    /// <param name="follows">The mount may switch snapshots (--refresh).</param>
    /// <param name="waitingReads">Most reads that wait for a source at once; each holds a payload of up to MaxRead.</param>
    public DatasetFileSystem(MountedSnapshot first, AttributeView attributes, bool xattr, OpenFiles? openFiles, bool follows, int waitingReads)
    {
        snapshots = [first];
        this.attributes = attributes;
        this.xattr = xattr;
        this.openFiles = openFiles;
        this.follows = follows;
        this.waitingReads = new SemaphoreSlim(waitingReads);
    }

    public MountedSnapshot Current => snapshots[0];

    /// <summary>The newest first; what readers may still hold something of.</summary>
    public IReadOnlyList<MountedSnapshot> Snapshots => snapshots;

    /// <summary>Null while files open without a message. Set while nothing is served: by who takes a mount over.</summary>
    public OpenFiles? OpenFiles
    {
        get => openFiles;
        set => openFiles = value;
    }

    /// <summary>
    /// How long the kernel may keep names, seconds. For ever, as a snapshot never changes; on a mount that follows, kernels
    /// without an epoch cannot drop all names at one moment, so there a name is looked up again after a second.
    /// </summary>
    ulong EntryValid => entryValid;

    public void Connected(FuseConnection connected)
    {
        connection = connected;
        // Without passthrough an OPEN message would only cost.
        if (!CurrentUser.IsRoot || !connected.Negotiation.Has(FuseFeatures.Passthrough)) openFiles = null;
        if (follows && !connected.Negotiation.HasEpoch) entryValid = 1;
    }

    /// <summary>Makes <paramref name="next"/> the snapshot of every lookup from now on. The caller invalidates the kernel's caches.</summary>
    public void Switch(MountedSnapshot next)
    {
        MountedSnapshot[] before = snapshots;
        snapshots = [next, .. before.Take(KeptSnapshots - 1)];
        foreach (MountedSnapshot dropped in before.Skip(KeptSnapshots - 1)) dropped.Release();
    }

    /// <summary>Lets go of every snapshot, once the connection has ended.</summary>
    public async Task CloseAsync()
    {
        MountedSnapshot[] all = snapshots;
        snapshots = [];
        openFiles?.Close();
        foreach (MountedSnapshot snapshot in all) snapshot.Release();
        await Task.WhenAll(all.Select(snapshot => snapshot.Closed));
    }

    /// <summary>A snapshot in use by a request, and the entry of it that the request names.</summary>
    readonly ref struct Held(MountedSnapshot snapshot, EntryIndex entry)
    {
        public MountedSnapshot Snapshot { get; } = snapshot;
        public EntryIndex Entry { get; } = entry;
        public Manifest Manifest => Snapshot.Manifest;
        public void Dispose() => Snapshot?.Release();
    }

    /// <summary>Finds a node in the current snapshot, or in an older one for what a reader still holds.</summary>
    bool TryHold(FuseNodeId node, bool currentOnly, out Held held)
    {
        MountedSnapshot[] all = snapshots;
        int count = currentOnly ? Math.Min(1, all.Length) : all.Length;
        for (int i = 0; i < count; i++)
        {
            MountedSnapshot snapshot = all[i];
            if (!snapshot.TryAcquire()) continue;
            if (snapshot.Manifest.TryFindNode(new NodeId(node.Value), out EntryIndex entry))
            {
                held = new Held(snapshot, entry);
                return true;
            }

            snapshot.Release();
        }

        held = default;
        return false;
    }

    public void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name)
    {
        if (!TryHold(parent, currentOnly: true, out Held held))
        {
            request.ReplyError(Errno.ESTALE);
            return;
        }

        using (held)
        {
            if (held.Manifest.Get(held.Entry).Kind != EntryKind.Directory) request.ReplyError(Errno.ENOTDIR);
            else if (held.Manifest.TryLookup(held.Entry, name, out EntryIndex child)) request.ReplyEntry(Entry(held.Manifest.Get(child)));
            else request.ReplyNoEntry(EntryValid);
        }
    }

    FuseEntryOut Entry(in ManifestEntry entry) => new()
    {
        NodeId = new FuseNodeId(entry.Node.Value),
        EntryValid = EntryValid,
        AttrValid = FuseEntryOut.Forever,
        Attr = attributes.Of(entry, entry.Node),
    };

    public void Forget(FuseNodeId node, ulong lookups)
    {
        // Nothing is kept per node.
    }

    public void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle)
    {
        if (!TryHold(node, currentOnly: false, out Held held))
        {
            request.ReplyError(Errno.ESTALE);
            return;
        }

        using (held)
        {
            ManifestEntry entry = held.Manifest.Get(held.Entry);
            request.ReplyAttr(new FuseAttrOut { AttrValid = FuseEntryOut.Forever, Attr = attributes.Of(entry, entry.Node) });
        }
    }

    public void ReadLink(FuseRequest request, FuseNodeId node)
    {
        if (!TryHold(node, currentOnly: false, out Held held))
        {
            request.ReplyError(Errno.ESTALE);
            return;
        }

        using (held)
        {
            if (held.Manifest.Get(held.Entry).Kind != EntryKind.Symlink) request.ReplyError(Errno.EINVAL);
            else
            {
                // A copy: a page of the mapped manifest may have to come from the disk, and a process killed while the kernel
                // waits for it fails the call.
                ReadOnlySpan<byte> target = held.Manifest.GetLinkTarget(held.Entry);
                target.CopyTo(request.TakePayload(target.Length).Span);
                request.ReplyPayload(target.Length);
            }
        }
    }

    public void Open(FuseRequest request, FuseNodeId node, uint flags)
    {
        if (openFiles is null)
        {
            request.ReplyError(Errno.ENOSYS);
            return;
        }

        if (!TryHold(node, currentOnly: false, out Held held))
        {
            request.ReplyError(Errno.ESTALE);
            return;
        }

        using (held)
        {
            if (held.Manifest.Get(held.Entry).Kind != EntryKind.File)
            {
                request.ReplyError(Errno.EISDIR);
                return;
            }

            DatasetReader reader = held.Snapshot.Reader;
            FileLocation file = held.Manifest.Locate(held.Entry);
            request.ReplyOpen(openFiles.Open(connection!, node, request.Unique, reader, file));
        }
    }

    public void Release(FuseRequest request, FuseNodeId node, FuseHandle handle)
    {
        request.ReplyOk();
        openFiles?.Release(connection!, node);
    }

    public void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size)
    {
        if (!TryHold(node, currentOnly: false, out Held held))
        {
            request.ReplyError(Errno.ESTALE);
            return;
        }

        bool handedOn = false;
        try
        {
            if (held.Manifest.Get(held.Entry).Kind != EntryKind.File)
            {
                request.ReplyError(Errno.EISDIR);
                return;
            }

            FileLocation file = held.Manifest.Locate(held.Entry);
            if (offset >= (ulong)file.Length)
            {
                request.ReplyData([]);
                return;
            }

            int wanted = (int)Math.Min(size, file.Length - (long)offset);
            int local = held.Snapshot.Reader.TryRead(file, (long)offset, request.TakePayload(wanted).Span);
            if (local >= 0)
            {
                request.ReplyPayload(local);
                return;
            }

            request.Defer();
            handedOn = true;
            _ = ReadFromSourceAsync(request, held.Snapshot, file, (long)offset, wanted);
        }
        finally
        {
            if (!handedOn) held.Dispose();
        }
    }

    /// <summary>The slow way of a read: waits for the source without holding a transport thread. Owns one use of the snapshot.</summary>
    async Task ReadFromSourceAsync(FuseRequest request, MountedSnapshot snapshot, FileLocation file, long offset, int wanted)
    {
        try
        {
            await waitingReads.WaitAsync(request.Cancellation);
            try
            {
                Memory<byte> payload = request.TakePayload(wanted);
                int read = await snapshot.Reader.ReadMissingAsync(file, offset, payload, request.Cancellation);
                request.ReplyPayload(read);
            }
            finally
            {
                waitingReads.Release();
            }
        }
        catch (Exception fault)
        {
            if (fault is not OperationCanceledException)
                Log.Warn($"read of '{Encoding.UTF8.GetString(snapshot.Manifest.GetPath(file.Entry))}' at {offset}: {fault.Message}");
            request.ReplyError(ErrnoMap.Of(fault));
        }
        finally
        {
            snapshot.Release();
        }
    }

    public void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size, bool plus)
    {
        // A listing goes on in the snapshot it began in. Entries of an older one are listed without their nodes: the
        // kernel must look them up, and finds the new tree.
        int generation = (int)(offset >> GenerationShift);
        int position = (int)(uint)offset;
        foreach (MountedSnapshot snapshot in snapshots)
        {
            if (position != 0 && (snapshot.Generation & GenerationMask) != generation) continue;
            if (!snapshot.TryAcquire()) break;
            try
            {
                if (!snapshot.Manifest.TryFindNode(new NodeId(node.Value), out EntryIndex directory)) break;
                if (snapshot.Manifest.Get(directory).Kind != EntryKind.Directory)
                {
                    request.ReplyError(Errno.ENOTDIR);
                    return;
                }

                FuseDirectoryWriter writer = new(request, size);
                List(snapshot, directory, position, plus, isCurrent: ReferenceEquals(snapshot, Current), ref writer);
                request.ReplyDirectory(writer);
                return;
            }
            finally
            {
                snapshot.Release();
            }
        }

        request.ReplyError(Errno.ESTALE);
    }

    void List(MountedSnapshot snapshot, EntryIndex directory, int position, bool plus, bool isCurrent, ref FuseDirectoryWriter writer)
    {
        Manifest manifest = snapshot.Manifest;
        ulong generation = (ulong)(snapshot.Generation & GenerationMask) << GenerationShift;
        if (position < 1 && !AddDot(manifest, directory, "."u8, generation | 1, plus, ref writer)) return;
        if (position < 2 && !AddDot(manifest, manifest.Parent(directory), ".."u8, generation | 2, plus, ref writer)) return;
        (EntryIndex first, int count) = manifest.Children(directory);
        int child = Math.Max(0, position - FirstChild);
        if (child >= count) return;
        NameReader names = manifest.ReadNames(new EntryIndex(first.Value + child));
        for (; child < count && names.Next(); child++)
        {
            ManifestEntry entry = manifest.Get(new EntryIndex(first.Value + child));
            ulong next = generation | (uint)(child + FirstChild + 1);
            bool fits;
            if (!plus) fits = writer.TryAdd(names.Name, entry.Node.Value, AttributeView.DirectoryType(entry.Kind), next);
            else if (isCurrent) fits = writer.TryAddPlus(names.Name, Entry(entry), next);
            else fits = writer.TryAddPlus(names.Name, new FuseEntryOut { Attr = attributes.Of(entry, entry.Node) }, next);
            if (!fits) return;
        }
    }

    bool AddDot(Manifest manifest, EntryIndex directory, ReadOnlySpan<byte> name, ulong next, bool plus, ref FuseDirectoryWriter writer)
    {
        ManifestEntry entry = manifest.Get(directory);
        return plus
            ? writer.TryAddPlus(name, new FuseEntryOut { Attr = attributes.Of(entry, entry.Node) }, next)
            : writer.TryAdd(name, entry.Node.Value, FuseEntryType.Directory, next);
    }

    public void StatFs(FuseRequest request, FuseNodeId node)
    {
        MountedSnapshot snapshot = Current;
        if (!snapshot.TryAcquire())
        {
            request.ReplyError(Errno.EIO);
            return;
        }

        const uint unit = 4096;
        ulong blocks = ((ulong)snapshot.Manifest.TotalBytes + unit - 1) / unit;
        ulong files = (ulong)snapshot.Manifest.EntryCount;
        snapshot.Release();
        request.ReplyStatFs(new FuseKStatFs { Blocks = blocks, Files = files, BSize = unit, FrSize = unit, NameLen = 255 });
    }

    public void GetXattr(FuseRequest request, FuseNodeId node, ReadOnlySpan<byte> name, int size)
    {
        if (!xattr)
        {
            request.ReplyError(Errno.ENOSYS);
            return;
        }

        if (!TryHold(node, currentOnly: false, out Held held))
        {
            request.ReplyError(Errno.ESTALE);
            return;
        }

        using (held)
        {
            if (VirtualXattrs.Get(held.Snapshot, held.Entry, name) is { } value) request.ReplyXattr(value);
            else request.ReplyError(Errno.ENODATA);
        }
    }

    public void ListXattr(FuseRequest request, FuseNodeId node, int size)
    {
        if (!xattr)
        {
            request.ReplyError(Errno.ENOSYS);
            return;
        }

        if (!TryHold(node, currentOnly: false, out Held held))
        {
            request.ReplyError(Errno.ESTALE);
            return;
        }

        using (held) request.ReplyXattr(VirtualXattrs.Names(held.Manifest.Get(held.Entry).Kind));
    }
}
