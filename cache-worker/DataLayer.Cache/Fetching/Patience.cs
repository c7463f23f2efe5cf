using System.Diagnostics;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>How long one read goes on trying, and how long it waits between tries.</summary>
internal sealed class Patience(TimeSpan limit)
{
    // From one round trip to a source up to what an overloaded one needs; doubled each time, half of it random.
    const int FirstDelay = 50, LongestDelay = 2000;

    readonly long _started = Stopwatch.GetTimestamp();
    int _delay = FirstDelay;
    SourceException? _last;

    /// <summary>Zero once the limit is passed.</summary>
    public TimeSpan Remaining
    {
        get
        {
            TimeSpan left = limit - Stopwatch.GetElapsedTime(_started);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <param name="fault">Why, or null when the attempt was merely given up by others.</param>
    /// <exception cref="SourceException">Nothing is left of the limit.</exception>
    public async ValueTask BackOffAsync(SourceException? fault, CancellationToken cancellation)
    {
        _last = fault ?? _last;
        TimeSpan left = Remaining;
        if (left == TimeSpan.Zero) throw Exhausted(fault);
        TimeSpan delay = TimeSpan.FromMilliseconds(fault == null ? 1 : _delay / 2 + Random.Shared.Next(_delay / 2));
        if (fault != null) _delay = Math.Min(LongestDelay, _delay * 2);
        await Task.Delay(delay < left ? delay : left, cancellation);
    }

    public SourceException Exhausted(SourceException? fault)
    {
        fault ??= _last;
        return new SourceException(SourceFault.Unavailable,
            $"no bytes within {limit.TotalSeconds:0.#} s" + (fault == null ? ": the source does not answer" : $", last: {fault.Message}"), fault);
    }
}
