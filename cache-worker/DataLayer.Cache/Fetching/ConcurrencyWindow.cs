namespace DataLayer.Cache;

/// <summary>
/// How many reads of a source run at once: climbs while more of them bring more bytes per second, falls back when they do
/// not (then they only add latency), halves when the source refuses. Not safe for concurrent use.
/// </summary>
internal sealed class ConcurrencyWindow
{
    // 64 reads of 110 KB at 15 ms per request are 470 MB/s: near what two cores can take, without a slow start to wait for.
    public const int Initial = 64;
    public const int Min = 4;
    // 128 of them are 940 MB/s; each costs a connection at the source.
    public const int Max = 128;

    // Sizes vary: the mean of 200 log-normal ones wanders by 8%, so smaller differences of rate say nothing.
    const double Significant = 0.10;
    // A source that became faster shows only when it is asked for more: one step up for so many down.
    const int StepsToProbe = 4;

    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    double _window = Initial;
    double _reference;
    bool _climbing = true;
    int _descents;
    bool _wasFull;
    long _bytes;
    int _reads;
    TimeSpan _since;

    public int Size => (int)_window;

    /// <param name="full">Whether as many reads as allowed were running: otherwise the rate says nothing about the window.</param>
    public void Completed(long bytes, bool full, TimeSpan now)
    {
        if (_reads++ == 0 && _bytes == 0) _since = now;
        _bytes += bytes;
        _wasFull |= full;
        if (now - _since < Interval || _reads < 2 * Size) return;

        double rate = _bytes / (now - _since).TotalSeconds;
        if (_wasFull)
        {
            // Climbing is judged step by step; descending against where it began, or small losses would add up unnoticed.
            if (_climbing) _climbing = rate >= _reference * (1 + Significant);
            else _climbing = rate < _reference * (1 - Significant) || ++_descents % StepsToProbe == 0;
            _reference = _climbing ? rate : Math.Max(rate, _reference);
            _window = Math.Clamp(_window * (_climbing ? 1.25 : 0.9), Min, Max);
        }
        (_bytes, _reads, _wasFull) = (0, 0, false);
    }

    public void Refused()
    {
        _window = Math.Max(Min, _window / 2);
        (_climbing, _reference) = (false, 0);
        (_bytes, _reads, _wasFull) = (0, 0, false);
    }
}
