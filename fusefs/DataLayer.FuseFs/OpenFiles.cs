using System.Collections.Concurrent;
using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Fuse;

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
    readonly Dictionary<FuseNodeId, Way> open = [];
    readonly ConcurrentDictionary<FuseNodeId, bool> verifying = new();
    readonly CancellationTokenSource stop = new();

    sealed class Way(int backingId, CompleteFile? backing)
    {
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

    public FuseOpenOut Open(FuseConnection connection, FuseNodeId node, DatasetReader reader, in FileLocation file)
    {
        lock (open)
        {
            if (!open.TryGetValue(node, out Way? way)) open[node] = way = Choose(connection, node, reader, file);
            way.Opens++;
            return way.BackingId > 0
                ? new FuseOpenOut { OpenFlags = FuseOpenFlags.Passthrough | FuseOpenFlags.NoFlush, BackingId = way.BackingId }
                : new FuseOpenOut { OpenFlags = FuseOpenFlags.KeepCache | FuseOpenFlags.NoFlush };
        }
    }

    Way Choose(FuseConnection connection, FuseNodeId node, DatasetReader reader, in FileLocation file)
    {
        if (file.IsPacked || file.Length == 0) return new Way(0, null);
        if (!reader.TryOpenComplete(file, out CompleteFile? backing))
        {
            // What an earlier process fetched is checked at the disk's speed: this open does not wait for it, the next has it.
            if (verifying.TryAdd(node, true)) _ = VerifyAsync(node, reader, file);
            return new Way(0, null);
        }

        int id = connection.BackingOpen(backing.Handle);
        if (id > 0) return new Way(id, backing);
        backing.Dispose();
        return new Way(0, null);
    }

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

    public void Release(FuseConnection connection, FuseNodeId node)
    {
        lock (open)
        {
            if (!open.TryGetValue(node, out Way? way) || --way.Opens > 0) return;
            open.Remove(node);
            if (way.BackingId <= 0) return;
            connection.BackingClose(way.BackingId);
            way.Backing!.Dispose();
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
    }
}
