using System.Diagnostics;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Reads the origin of one snapshot: what someone waits for first, then read-ahead of large files, then the rest of packs;
/// within the concurrency window and the memory of <see cref="FetchBuffers"/>. Each fetch is one attempt: who still wants
/// the bytes after a transient fault starts the next.
/// </summary>
internal sealed class FetchQueue : IThreadPoolWorkItem, IAsyncDisposable
{
    // A background fetch leaves units that another process is fetching; a reader waits this long for that process, then
    // fetches as well: both write the same bytes.
    static readonly TimeSpan PeerPatience = TimeSpan.FromSeconds(10);

    readonly FetchTable _table;
    readonly FetchBuffers _buffers;
    readonly BlockWriter _writer;
    readonly IBlockLayout _layout;
    readonly IBlockOrigin _origin;
    readonly ReadStatistics _statistics;
    readonly TimeSpan _attemptLimit;
    readonly CancellationTokenSource _stop = new();
    readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);

    readonly Lock _gate = new();
    readonly Queue<Fetch> _demanded = new();
    readonly Queue<Fetch> _ahead = new();
    readonly Queue<PackFill> _fills = new();
    readonly ConcurrencyWindow _window = new();
    Fetch? _fillNext;
    int _running, _runningDemanded, _pumpQueued, _stallWatch;
    bool _stopped;

    public FetchQueue(FetchTable table, FetchBuffers buffers, BlockWriter writer, IBlockLayout layout,
        IBlockOrigin origin, FetchLane lane, ReadStatistics statistics, TimeSpan attemptLimit)
    {
        _table = table;
        _buffers = buffers;
        _writer = writer;
        _layout = layout;
        _origin = origin;
        Lane = lane;
        _statistics = statistics;
        _attemptLimit = attemptLimit;
        buffers.Released += PumpLater;
    }

    public FetchLane Lane { get; }

    public int WindowSize { get { lock (_gate) return _window.Size; } }

    /// <summary>Nothing runs and nothing is queued.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_gate) return _running == 0 && _demanded.Count + _ahead.Count + _fills.Count == 0 && _fillNext == null;
        }
    }

    /// <summary>Queues a fetch that someone waits for; starts it on the calling thread if it may run now.</summary>
    public void Demand(Fetch fetch)
    {
        lock (_gate)
        {
            fetch.IsDemanded = true;
            _demanded.Enqueue(fetch);
        }
        Pump(inline: true);
    }

    /// <summary>Queues units that a sequential reader will want next.</summary>
    public void ReadAhead(Fetch fetch)
    {
        lock (_gate) _ahead.Enqueue(fetch);
        Pump(inline: false);
    }

    /// <summary>Brings the rest of a pack, unless that is under way.</summary>
    public void Fill(BlockFile block, int pack, BlockStore store)
    {
        if (block.IsReadOnly || store.IsSuspended || !block.TryBeginFill()) return;
        PackFill fill = new(this, block, _layout.GetPackFiles(pack), _table, _writer);
        lock (_gate) _fills.Enqueue(fill);
        Pump(inline: false);
    }

    void PumpLater()
    {
        // Called for every buffer that comes back, from anywhere, even another queue's pump: most of the time nothing
        // waits for one, and otherwise never on the caller's stack.
        if (_demanded.Count + _ahead.Count + _fills.Count == 0 && _fillNext == null) return;
        if (Interlocked.Exchange(ref _pumpQueued, 1) == 0) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Looks again in case that the memory does not come back because the disk stalls.</summary>
    void PumpWhenStalled()
    {
        if (Interlocked.Exchange(ref _stallWatch, 1) != 0) return;
        _ = Task.Delay(BlockWriter.StallLimit).ContinueWith(static (_, queue) =>
        {
            FetchQueue self = (FetchQueue)queue!;
            Volatile.Write(ref self._stallWatch, 0);
            self.PumpLater();
        }, this, TaskScheduler.Default);
    }

    void IThreadPoolWorkItem.Execute()
    {
        Volatile.Write(ref _pumpQueued, 0);
        Pump(inline: false);
    }

    void Pump(bool inline)
    {
        for (; ; )
        {
            Fetch? fetch;
            bool demanded, needsMemory, backgroundNeedsMemory = false;
            lock (_gate)
            {
                demanded = (fetch = TakeDemanded(out needsMemory)) != null;
                if (!needsMemory) fetch ??= TakeBackground(out backgroundNeedsMemory);
                if (fetch != null) _running++;
                if (demanded) _runningDemanded++;
            }
            if (fetch == null)
            {
                // What readers wait for goes before what may be wanted again, and before what could be written.
                if (needsMemory && (_table.TryDropOldest() || _writer.TryDiscardOldest())) continue;
                if (needsMemory) PumpWhenStalled();
                if (backgroundNeedsMemory && _table.TryDropOldest(_table.KeepAnyway)) continue;
                return;
            }
            if (inline && demanded) _ = RunAsync(fetch, demanded);
            else ThreadPool.UnsafeQueueUserWorkItem(static work => _ = work.Queue.RunAsync(work.Fetch, work.Demanded), (Queue: this, Fetch: fetch, Demanded: demanded), preferLocal: false);
        }
    }

    Fetch? TakeDemanded(out bool needsMemory)
    {
        needsMemory = false;
        // Demanded reads have a window of their own: filling packs never takes a reader's turn.
        while (_runningDemanded < _window.Size && _demanded.TryPeek(out Fetch? fetch))
        {
            if (!_stopped && !fetch.IsStarted && fetch.Buffer == null)
            {
                fetch.Buffer = _buffers.TryRent(fetch.Length, background: false);
                if (fetch.Buffer == null)
                {
                    needsMemory = true;
                    return null;
                }
            }
            _demanded.Dequeue();
            if (fetch.TryStart()) return fetch;
        }
        return null;
    }

    Fetch? TakeBackground(out bool needsMemory)
    {
        needsMemory = false;
        while (_running < _window.Size)
        {
            Fetch? fetch = _ahead.TryPeek(out Fetch? ahead) ? ahead : _fillNext ??= NextOfFills();
            if (fetch == null) return null;
            if (!_stopped && !fetch.IsStarted && fetch.Buffer == null)
            {
                fetch.Buffer = _buffers.TryRent(fetch.Length, background: true);
                if (fetch.Buffer == null)
                {
                    needsMemory = true;
                    return null;
                }
            }
            if (fetch == ahead) _ahead.Dequeue();
            else _fillNext = null;
            if (fetch.TryStart()) return fetch;
        }
        return null;
    }

    Fetch? NextOfFills()
    {
        while (_fills.TryPeek(out PackFill? fill))
        {
            if (!_stopped && !_writer.IsSuspended && fill.Next() is Fetch fetch) return fetch;
            _fills.Dequeue();
            fill.Block.EndFill();
        }
        return null;
    }

    async Task RunAsync(Fetch fetch, bool demanded)
    {
        long started = Stopwatch.GetTimestamp();
        try
        {
            if (_stopped) Abandon(fetch, FetchOutcome.Cancelled);
            else await FetchAsync(fetch);
        }
        catch (Exception e)
        {
            // The boundary of background work: a fault of a source or of ours ends this attempt and is told to its waiters.
            _statistics.CountFault(e);
            bool cancelled = e is OperationCanceledException && _stop.IsCancellationRequested;
            SourceException fault = e as SourceException ?? new SourceException(SourceFault.Unavailable,
                e is OperationCanceledException ? $"no answer within {_attemptLimit.TotalSeconds:0} s" : $"unexpected fault: {e.Message}", e);
            if (!cancelled && fault.Fault != SourceFault.Changed) BackOff();
            Abandon(fetch, cancelled ? FetchOutcome.Cancelled : FetchOutcome.Failed, fault);
        }
        finally
        {
            lock (_gate)
            {
                bool full = _running >= _window.Size;
                _running--;
                if (demanded) _runningDemanded--;
                if (fetch.Completion.IsCompletedSuccessfully && fetch.Completion.Result == FetchOutcome.InMemory)
                    _window.Completed(fetch.Length, full, Stopwatch.GetElapsedTime(0));
                if (_stopped && _running == 0) _drained.TrySetResult();
            }
            Pump(inline: false);
        }
    }

    async ValueTask FetchAsync(Fetch fetch)
    {
        BlockFile? block = fetch.Block;
        bool locked = false;
        if (block != null && (block.IsReadOnly || !block.TryEnter()))
        {
            fetch.WithoutBlock();
            block = null;
            if (!fetch.IsDemanded) { Abandon(fetch, FetchOutcome.Cancelled); return; }
        }
        try
        {
            if (block != null)
            {
                FetchOutcome? already = await LockAsync(fetch, block);
                locked = already == null;
                if (already == null && AllPresent(fetch, block)) already = FetchOutcome.InStore;
                if (already != null && already != FetchOutcome.Failed) { Abandon(fetch, already.Value); return; }
            }
            OriginKind from;
            using (CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token))
            {
                limit.CancelAfter(_attemptLimit);
                from = await _origin.ReadAsync(fetch.Range, fetch.Buffer!.Memory[..fetch.Length], limit.Token);
            }
            _statistics.CountFetched(fetch.Length, from);
            fetch.Complete(FetchOutcome.InMemory);
            if (block != null && _writer.TryEnqueue(fetch, block, locked)) block = null;
            else _table.Keep(fetch);
        }
        finally
        {
            if (block != null)
            {
                if (locked) block.UnlockUnits(fetch.First.Index, fetch.Count);
                block.Leave();
            }
        }
    }

    /// <summary>Null: locked. Failed: not locked, but the process that has the lock was waited for long enough.</summary>
    async ValueTask<FetchOutcome?> LockAsync(Fetch fetch, BlockFile block)
    {
        long started = Stopwatch.GetTimestamp();
        for (int delay = 1; ; delay = Math.Min(16, delay * 2))
        {
            if (block.TryLockUnits(fetch.First.Index, fetch.Count)) return null;
            if (AllPresent(fetch, block)) return FetchOutcome.InStore;
            if (!fetch.IsDemanded) return FetchOutcome.Cancelled;
            if (Stopwatch.GetElapsedTime(started) > PeerPatience) return FetchOutcome.Failed;
            await Task.Delay(delay, _stop.Token);
        }
    }

    /// <summary>A source that refuses is not asked for anything that nobody waits for; the next miss starts that again.</summary>
    void BackOff()
    {
        List<Fetch> dropped = [];
        lock (_gate)
        {
            _window.Refused();
            dropped.AddRange(_ahead);
            if (_fillNext != null) dropped.Add(_fillNext);
            dropped.RemoveAll(fetch => !fetch.TryStart());
            foreach (PackFill fill in _fills) fill.Block.EndFill();
            _ahead.Clear();
            _fills.Clear();
            _fillNext = null;
        }
        foreach (Fetch fetch in dropped) Abandon(fetch, FetchOutcome.Cancelled);
    }

    static bool AllPresent(Fetch fetch, BlockFile block)
    {
        for (int i = 0; i < fetch.Count; i++)
            if (!block.IsPresent(fetch.UnitAt(i))) return false;
        return true;
    }

    void Abandon(Fetch fetch, FetchOutcome outcome, SourceException? fault = null)
    {
        // First out of the table, then the word to the waiters: who starts again must not meet this one.
        _table.Remove(fetch);
        fetch.Complete(outcome, fault);
        fetch.Release();
    }

    /// <summary>Ends everything in flight; waits until no source is being read, at most 30 s.</summary>
    public async ValueTask DisposeAsync()
    {
        _buffers.Released -= PumpLater;
        lock (_gate)
        {
            if (_stopped) return;
            _stopped = true;
        }
        await _stop.CancelAsync();
        Pump(inline: false);
        lock (_gate)
        {
            if (_running == 0) _drained.TrySetResult();
        }
        try { await _drained.Task.WaitAsync(TimeSpan.FromSeconds(30)); }
        catch (TimeoutException) { return; } // A source that ignores cancellation keeps its buffer; nothing else depends on it.
        _stop.Dispose();
    }
}
