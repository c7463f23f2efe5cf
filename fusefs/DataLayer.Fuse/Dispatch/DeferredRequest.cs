namespace DataLayer.Fuse;

/// <summary>
/// What the library keeps of a request that is answered after its handler: enough to pass on an interrupt, and to answer
/// for the filesystem when the connection is given up. Never refers to the <see cref="FuseRequest"/>, so that one nobody
/// holds any more is found by its finalizer.
/// </summary>
sealed class DeferredRequest(FuseWorker worker, ulong unique, int ringEntry, int slot)
{
    readonly Lock _lock = new();
    CancellationTokenSource? _cancellation;
    bool _interrupted;
    int _claimed;
    int _slot = slot;

    public FuseWorker Worker => worker;

    public ulong Unique => unique;

    /// <summary>Index of the entry of an io_uring queue that holds the request; without meaning for /dev/fuse.</summary>
    public int RingEntry => ringEntry;

    /// <summary>Where the journal keeps it, to exactly one caller; -1 for every other, or without a journal.</summary>
    public int TakeSlot() => Interlocked.Exchange(ref _slot, -1);

    public bool IsInterrupted => Volatile.Read(ref _interrupted);

    public CancellationToken Token
    {
        get
        {
            lock (_lock)
            {
                _cancellation ??= new CancellationTokenSource();
                if (_interrupted) _cancellation.Cancel(); // No registration can exist yet when this is the first token.
                return _cancellation.Token;
            }
        }
    }

    /// <summary>True for exactly one caller: the one that sends the answer.</summary>
    public bool TryClaim(bool forLibrary) =>
        Interlocked.CompareExchange(ref _claimed, forLibrary ? 2 : 1, 0) == 0;

    /// <summary>The library answered in the filesystem's place; the filesystem's own answer is then dropped silently.</summary>
    public bool IsClaimedByLibrary => Volatile.Read(ref _claimed) == 2;

    public bool IsClaimed => Volatile.Read(ref _claimed) != 0;

    /// <summary>Sets the flag at once; callbacks of the token run on the pool, because the caller is a transport thread.</summary>
    public void Interrupt()
    {
        CancellationTokenSource? cancellation;
        lock (_lock)
        {
            Volatile.Write(ref _interrupted, true);
            cancellation = _cancellation;
        }
        if (cancellation is not null) ThreadPool.UnsafeQueueUserWorkItem(static source => source.Cancel(), cancellation, preferLocal: false);
    }
}
