namespace DataLayer.Sources.Nfs;

/// <summary>A point in time that all attempts of one request share.</summary>
internal readonly struct Deadline(TimeSpan time)
{
    readonly long _end = Environment.TickCount64 + (long)time.TotalMilliseconds;

    public TimeSpan Left => TimeSpan.FromMilliseconds(Math.Max(0, _end - Environment.TickCount64));
}
