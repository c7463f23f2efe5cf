using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>
/// The keys in use. They are asked for again every minute (what gives expiring ones renews them at least five minutes
/// ahead) and at once when a server calls them expired. Safe for concurrent use; the hot path is one field read.
/// </summary>
internal sealed class S3Credentials(Func<ICredentialOrigin> find)
{
    const long AskEveryMs = 60_000;

    /// <summary>An origin that does not answer (a metadata service, STS) must not hold up every read.</summary>
    static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(15);

    sealed record Current(AccessKeys Keys, long AskAgainAt);

    readonly SemaphoreSlim _sync = new(1);
    ICredentialOrigin? _origin;
    Current? _current;

    /// <exception cref="SourceException">Denied.</exception>
    public ValueTask<AccessKeys> GetAsync(CancellationToken cancellation)
    {
        Current? current = _current;
        return current is not null && Environment.TickCount64 < current.AskAgainAt ? new ValueTask<AccessKeys>(current.Keys) : AskAsync(current, refused: null, cancellation);
    }

    /// <summary>
    /// After a server refused <paramref name="refused"/> as expired: looks through the whole chain anew, once for all
    /// callers that saw the same keys refused.
    /// </summary>
    /// <returns>Other keys, or null when there are none.</returns>
    public async ValueTask<AccessKeys?> RenewAsync(AccessKeys refused, CancellationToken cancellation)
    {
        AccessKeys keys = await AskAsync(_current, refused, cancellation);
        return keys == refused ? null : keys;
    }

    async ValueTask<AccessKeys> AskAsync(Current? seen, AccessKeys? refused, CancellationToken cancellation)
    {
        // Keys that still work are not given up because their origin is slow: one caller asks, the others go on.
        if (!await _sync.WaitAsync(seen is not null && refused is null ? TimeSpan.Zero : Timeout.InfiniteTimeSpan, cancellation)) return seen!.Keys;
        try
        {
            if (_current is { } current && (refused is null ? Environment.TickCount64 < current.AskAgainAt : current.Keys != refused)) return current.Keys;
            if (refused is not null) _origin = null;
            ICredentialOrigin origin = _origin ??= find();
            AccessKeys keys;
            try
            {
                keys = await origin.GetAsync(cancellation).AsTask().WaitAsync(AskTimeout, cancellation);
            }
            catch (Exception e) when (e is not (OperationCanceledException or SourceException))
            {
                if (_current is not null && refused is null)
                {
                    _current = _current with { AskAgainAt = Environment.TickCount64 + AskEveryMs };
                    return _current.Keys;
                }
                throw new SourceException(SourceFault.Denied, $"No credentials from {origin.Name}: {(e is TimeoutException ? "no answer" : e.Message)}", e);
            }
            // The same instance while nothing changed: the signer keeps its key by reference.
            if (_current is not null && _current.Keys == keys) keys = _current.Keys;
            _current = new Current(keys, Environment.TickCount64 + AskEveryMs);
            return keys;
        }
        finally
        {
            _sync.Release();
        }
    }
}
