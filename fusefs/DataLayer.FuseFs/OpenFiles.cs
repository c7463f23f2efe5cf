using System.Collections.Concurrent;
using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Fuse;
using DataLayer.FuseFs.Holding;

namespace DataLayer.FuseFs;

/// <summary>
/// The open files of a mount in <see cref="OpenMode.Passthrough"/>: which are read by the kernel from a block file, and
/// which by us. Thread-safe.
/// </summary>
/// <remarks>
/// The kernel demands one way per inode at a time (fs/fuse/iomode.c): while one open of a node is passthrough all are, with
/// the same backing id, and while one goes through the page cache none may be passthrough; anything else is EIO to the
/// caller of open(2). The count here goes down at RELEASE, later than the kernel's own, so it errs to the safe side.
/// </remarks>
sealed class OpenFiles
{
    // Bit 63 marks a request that the kernel sent again.
    const ulong NumberBits = ulong.MaxValue >> 1;

    readonly Dictionary<FuseNodeId, Way> open = [];
    readonly ConcurrentDictionary<FuseNodeId, bool> verifying = new();
    readonly CancellationTokenSource stop = new();
    readonly OpenTable? table;

    public OpenFiles()
    {
    }

    /// <param name="table">
    /// What callers have open already, and where to note what they open. A file taken over stays as it is; its block file is not
    /// kept from eviction again, which costs space but no bytes: the kernel has it open.
    /// </param>
    public OpenFiles(OpenTable table)
    {
        this.table = table;
        for (int index = 0; index < OpenTable.Capacity; index++)
        {
            OpenEntry entry = table.Entries[index];
            if (entry.Opens > 0) open[new FuseNodeId(entry.Node)] = new Way(entry.BackingId, null, index) { Opens = entry.Opens };
        }
    }

    sealed class Way(int backingId, CompleteFile? backing, int index)
    {
        /// <summary>In the table; -1 without one.</summary>
        public int Index { get; } = index;

        public int BackingId { get; } = backingId;

        /// <summary>Keeps the block file from being evicted while the kernel reads it.</summary>
        public CompleteFile? Backing { get; } = backing;
        public int Opens { get; set; }
    }

    /// <summary>Files read by the kernel itself now.</summary>
    public int PassthroughCount
    {
        get
        {
            lock (open) return open.Values.Count(way => way.BackingId > 0);
        }
    }

    /// <param name="unique">The number of the OPEN.</param>
    public FuseOpenOut Open(FuseConnection connection, FuseNodeId node, ulong unique, DatasetReader reader, in FileLocation file)
    {
        unique &= NumberBits;
        lock (open)
        {
            if (!open.TryGetValue(node, out Way? way)) open[node] = way = Choose(connection, node, reader, file);
            // Counted before the answer, so that a kill in between counts too much rather than too little. One that a
            // predecessor counted and did not answer comes again.
            if (way.Index < 0 || table!.Entries[way.Index].LastOpen != unique) way.Opens++;
            table?.SetOpens(way.Index, way.Opens, unique);
            return way.BackingId > 0
                ? new FuseOpenOut { OpenFlags = FuseOpenFlags.Passthrough | FuseOpenFlags.NoFlush, BackingId = way.BackingId }
                : new FuseOpenOut { OpenFlags = FuseOpenFlags.KeepCache | FuseOpenFlags.NoFlush };
        }
    }

    Way Choose(FuseConnection connection, FuseNodeId node, DatasetReader reader, in FileLocation file)
    {
        if (file.IsPacked || file.Length == 0 || table is { HasOverflowed: true }) return Plain(node);
        if (!reader.TryOpenComplete(file, out CompleteFile? backing))
        {
            // What an earlier process fetched is checked at the disk's speed: this open does not wait for it, the next has it.
            if (verifying.TryAdd(node, true)) _ = VerifyAsync(node, reader, file);
            return Plain(node);
        }

        int id = connection.BackingOpen(backing.Handle);
        int index = id > 0 && table is not null ? table.Add(node, id) : -1;
        if (id > 0 && (table is null || index >= 0)) return new Way(id, backing, index);
        if (id > 0) connection.BackingClose(id);
        backing.Dispose();
        return Plain(node);
    }

    Way Plain(FuseNodeId node) => new(0, null, table?.Add(node, 0) ?? -1);

    async Task VerifyAsync(FuseNodeId node, DatasetReader reader, FileLocation file)
    {
        try
        {
            await reader.VerifyAsync(file, stop.Token);
        }
        catch (Exception fault)
        {
            Log.Debug($"verifying {file.BlockFile}: {fault.Message}");
        }
        finally
        {
            verifying.TryRemove(node, out _);
        }
    }

    /// <summary>After the RELEASE was answered: one that is sent again to a successor must not count twice.</summary>
    public void Release(FuseConnection connection, FuseNodeId node)
    {
        lock (open)
        {
            if (!open.TryGetValue(node, out Way? way)) return;
            way.Opens--;
            // The entry goes before the id that it names.
            table?.SetOpens(way.Index, way.Opens);
            if (way.Opens > 0) return;
            open.Remove(node);
            if (way.BackingId <= 0) return;
            connection.BackingClose(way.BackingId);
            way.Backing?.Dispose();
        }
    }

    /// <summary>After the connection ended: no RELEASE comes any more.</summary>
    public void Close()
    {
        stop.Cancel();
        lock (open)
        {
            foreach (Way way in open.Values) way.Backing?.Dispose();
            open.Clear();
        }

        table?.Dispose();
    }
}
