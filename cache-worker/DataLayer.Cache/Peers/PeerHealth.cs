using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// What this process knows of one peer: whether it is worth asking now (a circuit breaker) and how long its answers take.
/// A peer that does not answer is left alone at once and probed in the background, so that it costs one short wait and
/// not one for each read. Safe for concurrent use.
/// </summary>
internal sealed class PeerHealth(IBlockPeer peer, PeerTiming timing, Action<string> warn) : IDisposable
{
    // A memory or disk that corrupts now and then is caught by checksums; one that corrupts everything is left alone.
    const int CorruptInARow = 8;

    readonly LatencySamples _small = new(), _large = new();
    readonly CancellationTokenSource _stop = new();
    int _open, _corrupt;
    long _failures;

    public IBlockPeer Peer => peer;

    public bool IsUsable => Volatile.Read(ref _open) == 0;

    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>The 95th percentile of recent answers, in milliseconds; null while too few were seen.</summary>
    public double? Percentile95(int length) => (length > FileLocation.LargeUnit ? _large : _small).Percentile95;

    public void Answered(int length, TimeSpan took)
    {
        Volatile.Write(ref _corrupt, 0);
        (length > FileLocation.LargeUnit ? _large : _small).Add(took.TotalMilliseconds);
    }

    public void Failed(PeerException fault)
    {
        switch (fault.Fault)
        {
            case PeerFault.Absent:
                return;
            case PeerFault.Corrupt:
                Interlocked.Increment(ref _failures);
                warn($"{fault.Message}; asking others");
                if (Interlocked.Increment(ref _corrupt) >= CorruptInARow) Open(fault, timing.LongestProbe);
                return;
            case PeerFault.Incompatible or PeerFault.Refused:
                Interlocked.Increment(ref _failures);
                Open(fault, timing.LongestProbe);
                return;
            default:
                Interlocked.Increment(ref _failures);
                Open(fault, timing.FirstProbe);
                return;
        }
    }

    void Open(PeerException fault, TimeSpan firstProbe)
    {
        if (Interlocked.Exchange(ref _open, 1) != 0 || _stop.IsCancellationRequested) return;
        warn($"worker {peer.Name} is not asked for now: {fault.Message}");
        _ = ProbeAsync(firstProbe);
    }

    async Task ProbeAsync(TimeSpan delay)
    {
        try
        {
            for (; ; )
            {
                await Task.Delay(delay, _stop.Token);
                try
                {
                    await peer.ProbeAsync(_stop.Token);
                    break;
                }
                catch (PeerException)
                {
                    delay = delay * 2 < timing.LongestProbe ? delay * 2 : timing.LongestProbe;
                }
            }
        }
        catch (OperationCanceledException)
        {
            return;
        }
        Volatile.Write(ref _corrupt, 0);
        Volatile.Write(ref _open, 0);
        warn($"worker {peer.Name} is asked again");
    }

    public void Dispose() => _stop.Cancel();
}

/// <summary>How long a peer is waited for.</summary>
internal sealed record PeerTiming
{
    /// <summary>Far above a round trip within one network, far below what a reader notices.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Without one byte: six times what a worker that waits for its source lets pass between two signs of life.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>A worker that was restarted is asked again this soon.</summary>
    public TimeSpan FirstProbe { get; init; } = TimeSpan.FromMilliseconds(100);

    public TimeSpan LongestProbe { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Hedging below this would send what the scheduler's own hiccups delay.</summary>
    public TimeSpan ShortestHedge { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Then a peer that has not answered is bypassed even if that costs another read of the source.</summary>
    public TimeSpan Bypass { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>The last 128 values and their 95th percentile, computed anew every 32. Safe for concurrent use.</summary>
internal sealed class LatencySamples
{
    const int Size = 128, Every = 32;

    readonly double[] _ring = new double[Size];
    readonly Lock _gate = new();
    int _count;
    double _percentile;

    public double? Percentile95
    {
        get { lock (_gate) return _count < Every ? null : _percentile; }
    }

    public void Add(double value)
    {
        lock (_gate)
        {
            _ring[_count++ % Size] = value;
            if (_count % Every != 0) return;
            Span<double> sorted = stackalloc double[Math.Min(_count, Size)];
            _ring.AsSpan(0, sorted.Length).CopyTo(sorted);
            sorted.Sort();
            _percentile = sorted[(int)(sorted.Length * 0.95)];
        }
    }
}

/// <summary>Bounds what hedging adds: one request for every twenty that were sent. Safe for concurrent use.</summary>
internal sealed class HedgeBudget
{
    const double Share = 0.05, Most = 10;

    readonly Lock _gate = new();
    double _tokens = 1;

    public void Sent()
    {
        lock (_gate) _tokens = Math.Min(Most, _tokens + Share);
    }

    public bool TryTake()
    {
        lock (_gate)
        {
            if (_tokens < 1) return false;
            _tokens--;
            return true;
        }
    }
}
