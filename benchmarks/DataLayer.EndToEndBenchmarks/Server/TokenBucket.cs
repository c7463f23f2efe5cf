using System.Diagnostics;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>One link's bandwidth, shared by all connections of a server. Times are <see cref="Stopwatch"/> ticks, that is nanoseconds.</summary>
internal sealed class TokenBucket
{
    // 2 ms of the link: enough to bridge a late wake-up, too little to lift an epoch's average.
    private const double DepthSeconds = 0.002;
    private readonly double _bytesPerTick;
    private readonly double _depth;
    private double _tokens;
    private long _filledAt;

    /// <param name="bytesPerSecond">The cap; 0 for none.</param>
    internal TokenBucket(long bytesPerSecond)
    {
        _bytesPerTick = bytesPerSecond == 0 ? double.PositiveInfinity : (double)bytesPerSecond / Stopwatch.Frequency;
        _depth = bytesPerSecond == 0 ? double.PositiveInfinity : Math.Max(bytesPerSecond * DepthSeconds, 64 << 10);
        _tokens = _depth;
    }

    /// <summary>
    /// Whether something may be sent now. A send takes what it takes and may leave the bucket in debt, which the next
    /// senders wait out: no send is cut into scraps, and the average holds.
    /// </summary>
    internal bool IsOpen(long now)
    {
        if (double.IsPositiveInfinity(_depth)) return true;
        _tokens = Math.Min(_depth, _tokens + ((now - _filledAt) * _bytesPerTick));
        _filledAt = now;
        return _tokens > 0;
    }

    internal void Take(long bytes)
    {
        if (!double.IsPositiveInfinity(_depth)) _tokens -= bytes;
    }

    /// <summary>When the bucket opens again, counted from the last <see cref="IsOpen"/>.</summary>
    internal long OpensAt => _tokens > 0 ? _filledAt : _filledAt + (long)Math.Ceiling((1 - _tokens) / _bytesPerTick);
}
