namespace DataLayer.Cache;

/// <summary>
/// Writes fetched bytes into block files, on threads of its own: a disk that stalls holds up neither readers (they have
/// their bytes by then) nor the thread pool that talks to sources. What waits to be written lives in
/// <see cref="FetchBuffers"/>, so its bound is that memory's.
/// </summary>
internal sealed class BlockWriter : IDisposable
{
    // Copying and checksumming run at 2-3 GB/s a thread: two keep ahead of a 10 Gbit/s link and leave no core idle for it.
    const int Threads = 2;

    /// <summary>
    /// Milliseconds without one write after which the disk counts as stalled and readers come first. A disk that is merely
    /// slow slows the fetching down instead: what is let go has to be fetched twice.
    /// </summary>
    public const int StallLimit = 500;

    readonly record struct Work(Fetch Fetch, BlockFile Block, bool Locked, bool Adopted);

    readonly FetchTable _table;
    readonly IBlockSink _sink;
    readonly BlockSync _sync;
    readonly LinkedList<Work> _queue = new();
    readonly object _gate = new();
    readonly Thread[] _threads;
    int _writing;
    long _lastProgress;
    bool _stopped;

    public BlockWriter(FetchTable table, BlockSync sync, IBlockSink sink)
    {
        _table = table;
        _sync = sync;
        _sink = sink;
        _threads = [.. Enumerable.Range(0, Threads).Select(i => new Thread(Run, 256 << 10) { IsBackground = true, Name = $"block writer {i}" })];
        foreach (Thread thread in _threads) thread.Start();
    }

    /// <summary>The disk refused lately: nothing is written for a while.</summary>
    public bool IsSuspended => _sink.IsSuspended;

    /// <summary>Takes over the pipeline's reference, the use of the block and its lock; false when nothing is to be written.</summary>
    public bool TryEnqueue(Fetch fetch, BlockFile block, bool locked) => TryEnqueue(new Work(fetch, block, locked, Adopted: false));

    /// <summary>
    /// Writes what was fetched before its block was admitted and is still in memory, instead of fetching it again.
    /// Takes over the caller's reference.
    /// </summary>
    public void Adopt(Fetch fetch, BlockFile block)
    {
        bool here = fetch.Block == null && fetch.Completion.IsCompletedSuccessfully && fetch.Completion.Result == FetchOutcome.InMemory;
        if (here && block.TryEnter())
        {
            if (TryEnqueue(new Work(fetch, block, Locked: false, Adopted: true))) return;
            block.Leave();
        }
        fetch.Release();
    }

    bool TryEnqueue(in Work work)
    {
        lock (_gate)
        {
            if (_stopped || IsSuspended || work.Block.IsBroken || work.Block.IsReadOnly || work.Block.IsRetired) return false;
            if (_queue.Count + _writing == 0) _lastProgress = Environment.TickCount64;
            _queue.AddLast(work);
            Monitor.Pulse(_gate);
            return true;
        }
    }

    /// <summary>Lets the oldest go unwritten if nothing was written for <see cref="StallLimit"/>; false when the writer is at work.</summary>
    public bool TryDiscardOldest() => TryDiscardOldest(StallLimit);

    bool TryDiscardOldest(int stallLimit)
    {
        Work work;
        lock (_gate)
        {
            if (_queue.First is not { } first || Environment.TickCount64 - _lastProgress < stallLimit) return false;
            work = first.Value;
            _queue.RemoveFirst();
        }
        Finish(work);
        return true;
    }

    /// <summary>Waits until nothing is left to write.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        for (; ; )
        {
            lock (_gate)
            {
                if (_queue.Count == 0 && _writing == 0) return;
            }
            await Task.Delay(5, cancellation);
        }
    }

    void Run()
    {
        for (; ; )
        {
            Work work;
            lock (_gate)
            {
                while (_queue.Count == 0)
                {
                    if (_stopped) return;
                    Monitor.Wait(_gate);
                }
                work = _queue.First!.Value;
                _queue.RemoveFirst();
                _writing++;
            }
            Write(work);
            lock (_gate)
            {
                _writing--;
                _lastProgress = Environment.TickCount64;
            }
        }
    }

    void Write(in Work work)
    {
        Fetch fetch = work.Fetch;
        Span<Unit> units = stackalloc Unit[fetch.Count];
        for (int i = 0; i < units.Length; i++) units[i] = fetch.UnitAt(i);
        int errno = work.Block.Write(units, fetch.Buffer!.GetSpan()[..fetch.Length]);
        if (errno == 0)
        {
            _sink.Wrote(work.Block, fetch.Length);
            if (work.Block.IsComplete(recount: false)) _sync.Enqueue(work.Block);
        }
        else _sink.DiskFailed(errno);
        Finish(work);
    }

    void Finish(in Work work)
    {
        // Present before it leaves the table: a reader that misses it there finds it in the store.
        if (work.Locked) work.Block.UnlockUnits(work.Fetch.First.Index, work.Fetch.Count);
        if (!work.Adopted) _table.Remove(work.Fetch);
        work.Block.Leave();
        work.Fetch.Release();
    }

    /// <summary>Writes what is queued, then ends.</summary>
    public void Dispose() => Stop(discard: false);

    /// <param name="discard">Lets go of what is queued, as a killed process would.</param>
    public void Stop(bool discard)
    {
        while (discard && TryDiscardOldest(stallLimit: 0)) { }
        lock (_gate)
        {
            _stopped = true;
            Monitor.PulseAll(_gate);
        }
        foreach (Thread thread in _threads) thread.Join();
    }
}

/// <summary>Where the writer reports to.</summary>
internal interface IBlockSink
{
    bool IsSuspended { get; }
    void Wrote(BlockFile block, long bytes);
    void DiskFailed(int errno);
}
