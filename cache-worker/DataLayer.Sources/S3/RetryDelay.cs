namespace DataLayer.Sources.S3;

/// <summary>
/// Waits between attempts: random between 0 and a bound that doubles ("full jitter"), so that many readers refused at
/// once do not come back at once.
/// </summary>
internal static class RetryDelay
{
    /// <summary>About one round trip across a region: a single lost connection costs no more than that.</summary>
    const int FirstMs = 40;

    /// <summary>Long enough to let a throttled server recover, short enough for a dozen attempts within a minute.</summary>
    const int LimitMs = 5_000;

    /// <param name="attempt">Failures in a row so far, from 1.</param>
    /// <param name="retryAfter">What the server asked for; kept to the limit, because a read has a deadline of its own.</param>
    public static TimeSpan Next(int attempt, TimeSpan? retryAfter)
    {
        int bound = (int)Math.Min(LimitMs, (long)FirstMs << Math.Min(attempt - 1, 16));
        double ms = Random.Shared.NextDouble() * bound;
        if (retryAfter is { } asked) ms += Math.Clamp(asked.TotalMilliseconds, 0, LimitMs);
        return TimeSpan.FromMilliseconds(ms);
    }
}
