using System.Collections.Concurrent;

namespace DataLayer.Cache;

/// <summary>
/// Forces complete block files to disk, one at a time, so that they survive a power loss: data first, then the sidecar
/// that vouches for it, then the directory that names both. Everything else may be lost in a power loss, and shows as a
/// failed checksum.
/// </summary>
internal sealed class BlockSync : IDisposable
{
    readonly StorePaths _paths;
    readonly Action<int> _diskFailed;
    readonly BlockingCollection<BlockFile> _queue = new(boundedCapacity: 4096);
    readonly Thread _thread;
    long _giveUp = long.MaxValue;

    public BlockSync(StorePaths paths, Action<int> diskFailed)
    {
        _paths = paths;
        _diskFailed = diskFailed;
        _thread = new Thread(Run, 256 << 10) { IsBackground = true, Name = "block sync" };
        _thread.Start();
    }

    /// <summary>A block file that reached the disk for good.</summary>
    public event Action<BlockFile>? Synced;

    public void Enqueue(BlockFile block)
    {
        // A full queue means a disk that is thousands of packs behind: those are left to the kernel's own write-back.
        if (block.TryBeginSync()) _queue.TryAdd(block);
    }

    void Run()
    {
        foreach (BlockFile block in _queue.GetConsumingEnumerable())
        {
            if (Environment.TickCount64 > Volatile.Read(ref _giveUp)) return;
            if (!block.TryEnter()) continue;
            try
            {
                int errno = block.Sync();
                if (errno == 0) errno = SyncFolder(_paths.Folder((int)(block.Spec.Id.Value.A >> 56)));
                if (errno == 0) Synced?.Invoke(block);
                else _diskFailed(errno);
            }
            finally
            {
                block.Leave();
            }
        }
    }

    static int SyncFolder(string path)
    {
        int folder = Libc.Open(path, Libc.O_RDONLY | Libc.O_CLOEXEC);
        if (folder < 0) return Libc.LastError;
        int errno = Libc.FSync(folder) == 0 ? 0 : Libc.LastError;
        Libc.Close(folder);
        return errno;
    }

    /// <summary>Goes on for at most 5 s: what is left then is safe from all but a power loss in the next half minute.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _giveUp, Environment.TickCount64 + 5000);
        _queue.CompleteAdding();
        _thread.Join();
        _queue.Dispose();
    }
}
