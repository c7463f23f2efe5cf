using System.Collections.Concurrent;

namespace DataLayer.Fuse;

/// <summary>What all workers of a connection share.</summary>
sealed class FuseSession
{
    readonly ConcurrentDictionary<ulong, DeferredRequest> _deferred = new();
    readonly Action<FuseLogLevel, string> _log;
    long _deferredTotal;
    volatile bool _isFailed;

    public FuseSession(IFuseFileSystem fileSystem, FuseNegotiation negotiation, FuseOptions options)
    {
        FileSystem = fileSystem;
        Negotiation = negotiation;
        _log = options.Log;
        Payloads = new PayloadPool(options.PayloadPoolSize, negotiation.MaxRead, Log);
    }

    public IFuseFileSystem FileSystem { get; }

    public FuseNegotiation Negotiation { get; }

    public PayloadPool Payloads { get; }

    public IReadOnlyList<FuseWorker> Workers { get; set; } = [];

    /// <summary>Ends the connection, for a transport that cannot go on: better all callers with an error than some without an answer.</summary>
    public Action Abort { get; set; } = static () => { };

    /// <summary>The connection is given up: every request is answered with EIO without asking the filesystem.</summary>
    public bool IsFailed => _isFailed;

    /// <summary>Never throws: it is called by transport threads and by finalizers, where a fault would end the process.</summary>
    public void Log(FuseLogLevel level, string line)
    {
        try
        {
            _log(level, line);
        }
        catch (Exception fault)
        {
            Console.Error.WriteLine($"fuse: {level}: {line} (the log itself failed: {fault.Message})");
        }
    }

    public void Add(DeferredRequest deferred)
    {
        Interlocked.Increment(ref _deferredTotal);
        _deferred[deferred.Unique] = deferred;
        if (IsFailed) deferred.Worker.GiveUp(deferred);
    }

    public void Remove(DeferredRequest deferred) =>
        // A resent request has a number of its own (bit 63), so a number is never in the table twice for one transport.
        _deferred.TryRemove(new KeyValuePair<ulong, DeferredRequest>(deferred.Unique, deferred));

    public FuseStatistics Statistics() =>
        FuseCounters.Sum(Workers.Select(static worker => worker.Counters), Volatile.Read(ref _deferredTotal), _deferred.Count, Payloads);

    /// <summary>Tells the request that its caller got a signal.</summary>
    public void Interrupt(ulong unique)
    {
        // The request was read before its interrupt was sent, maybe by a thread that did not get to publishing it: look again
        // for about a millisecond. After that it has been answered (or belongs to a dead predecessor).
        SpinWait spin = default;
        long deadline = Environment.TickCount64 + 2;
        do
        {
            if (_deferred.TryGetValue(unique, out DeferredRequest? deferred))
            {
                deferred.Interrupt();
                return;
            }
            foreach (FuseWorker worker in Workers)
            {
                if (worker.TryInterrupt(unique)) return;
            }
            spin.SpinOnce();
        }
        while (Environment.TickCount64 < deadline);
    }

    /// <summary>Answers every deferred request with EIO, and every later one.</summary>
    public void Fail()
    {
        _isFailed = true;
        foreach (DeferredRequest deferred in _deferred.Values) deferred.Worker.GiveUp(deferred);
    }

    /// <summary>
    /// Leaves every deferred request to a successor: none is answered from here any more once this has returned. Only while no
    /// worker runs.
    /// </summary>
    /// <returns>False when an answer in progress did not end in time.</returns>
    public bool Abandon(TimeSpan patience)
    {
        foreach (DeferredRequest deferred in _deferred.Values)
        {
            if (!deferred.TryClaim(forLibrary: true)) continue; // Being answered now: the filesystem came first.
            deferred.TakeSlot();
            Remove(deferred);
            deferred.Interrupt();
        }
        return SpinWait.SpinUntil(() => _deferred.IsEmpty, patience);
    }

    /// <summary>The connection ended: whoever still works for a caller may stop.</summary>
    public void CancelDeferred()
    {
        foreach (DeferredRequest deferred in _deferred.Values) deferred.Interrupt();
    }
}
