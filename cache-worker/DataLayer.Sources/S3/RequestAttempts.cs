using System.Net.Http.Headers;
using System.Security.Authentication;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>
/// The attempts at one thing asked of a server: their deadlines, the waits between them, and the verdict on each fault
/// (try again, or which <see cref="SourceFault"/>). One per read or document; not for concurrent use.
/// </summary>
/// <param name="what">To show: "s3://bucket/key".</param>
internal sealed class RequestAttempts(S3Client client, Func<string> what, CancellationToken caller) : IDisposable
{
    /// <summary>A name that does not resolve is mostly a typing mistake: this often, then it is said.</summary>
    const int NameAttempts = 4;

    const int ErrorBodyLimit = 64 * 1024;

    readonly long _deadline = Environment.TickCount64 + (long)client.Options.ReadDeadline.TotalMilliseconds;
    CancellationTokenSource _timeout = CancellationTokenSource.CreateLinkedTokenSource(caller);
    int _failures;
    int _progress;
    int _changed;
    bool _renewed;
    bool _clockAdjusted;
    AccessKeys? _keys;
    TimeSpan _pause;

    long LeftMs => _deadline - Environment.TickCount64;

    /// <summary>Waits out the pause after a fault, takes a connection's slot and sends; the caller gives the slot back when it is done with the answer.</summary>
    public async ValueTask<HttpResponseMessage> SendAsync(S3Request request)
    {
        if (_pause > TimeSpan.Zero) await Task.Delay(_pause, caller);
        _pause = TimeSpan.Zero;
        StartTimer(LeftMs);
        await client.WaitForSlotAsync(_timeout.Token);
        try
        {
            _keys = client.Credentials is null ? null : await client.Credentials.GetAsync(_timeout.Token);
            StartAttempt();
            return await client.SendAsync(request, _keys, _timeout.Token);
        }
        catch
        {
            client.ReleaseSlot();
            throw;
        }
    }

    /// <summary>Limits the attempt under way.</summary>
    public CancellationToken Token => _timeout.Token;

    void StartTimer(long ms)
    {
        if (_timeout.IsCancellationRequested)
        {
            _timeout.Dispose();
            _timeout = CancellationTokenSource.CreateLinkedTokenSource(caller);
        }
        _timeout.CancelAfter(TimeSpan.FromMilliseconds(Math.Max(1, ms)));
    }

    /// <summary>
    /// Bytes came in: what fails from now on starts its waits from the shortest again, and after
    /// <see cref="SourceOptions.MinimumProgress"/> bytes so does the time the attempt may take.
    /// </summary>
    public void Progressed(int bytes)
    {
        _failures = 0;
        _progress += bytes;
        if (_progress >= SourceOptions.MinimumProgress) StartAttempt();
    }

    void StartAttempt()
    {
        _progress = 0;
        StartTimer(Math.Min((long)client.Options.RequestTimeout.TotalMilliseconds, LeftMs));
    }

    /// <summary>True for what a lost, refused or timed out connection throws.</summary>
    public bool IsConnectionFault(Exception e)
    {
        caller.ThrowIfCancellationRequested();
        return e is HttpRequestException or IOException or OperationCanceledException;
    }

    /// <summary>Sets the pause before the next attempt, or throws when there is to be none. So do the others.</summary>
    public void AfterConnectionFault(Exception e)
    {
        if (e is HttpRequestException { InnerException: AuthenticationException certificate })
            throw new SourceException(SourceFault.Misconfigured, $"{what()}: the certificate of {client.Location.Host} is not trusted ({certificate.Message}); check the endpoint, or set AWS_CA_BUNDLE.", e);
        string fault = e switch
        {
            OperationCanceledException => "no answer in time",
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => $"the name {client.Location.Host} does not resolve",
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => $"no connection to {client.Location.Host} ({e.InnerException?.Message ?? e.Message})",
            _ => $"the connection broke ({e.InnerException?.Message ?? e.Message})",
        };
        if (e is HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } && _failures + 1 >= NameAttempts)
            throw Unavailable(fault, e);
        Again(fault, null, e);
    }

    /// <summary>The answer was well-formed HTTP and nonsense as an answer (a short body, a wrong length or checksum).</summary>
    public void AfterNonsense(string fault) => Again(fault, null, null);

    /// <summary>
    /// The version asked for is not there. Believed when two answers in a row say so: behind one endpoint are many servers,
    /// some of which may lag, and the claim costs the reader its file.
    /// </summary>
    public void AfterChanged()
    {
        if (++_changed >= 2) throw new SourceException(SourceFault.Changed, $"{what()} changed or vanished since it was listed; refresh the snapshot.");
        Again("the object changed or vanished", null, null);
    }

    void Again(string fault, TimeSpan? retryAfter, Exception? inner)
    {
        _pause = RetryDelay.Next(++_failures, retryAfter);
        if (LeftMs <= _pause.TotalMilliseconds) throw Unavailable(fault, inner);
    }

    SourceException Unavailable(string fault, Exception? inner) =>
        new(SourceFault.Unavailable, $"{what()} could not be read: {fault}, {_failures} attempts in a row; is {client.Location.Host} up and reachable?", inner);

    /// <summary>After any answer that is not the one asked for.</summary>
    /// <param name="isObject">A missing key means that it changed since it was listed.</param>
    public async ValueTask AfterRefusalAsync(HttpResponseMessage answer, bool isObject)
    {
        int status = (int)answer.StatusCode;
        S3Error error = S3Error.Parse(await ReadBodyAsync(answer, ErrorBodyLimit, Token));
        string text = error.Code.Length > 0 ? $"{status} {error.Code}" : $"{status} {answer.StatusCode}";

        switch (error.Code)
        {
            case "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired" or "InvalidToken" or "SecurityTokenExpired" or "InvalidSecurityToken" or "InvalidAccessKeyId":
                await RenewAsync(text);
                return;
            case "RequestTimeTooSkewed" when !_clockAdjusted && client.AdjustClock(answer):
                _clockAdjusted = true;
                return;
            case "NoSuchBucket":
                throw Misconfigured($"there is no bucket '{client.Location.Bucket}' at {client.Location.Host}; check its name and the endpoint.");
            case "AuthorizationHeaderMalformed" or "PermanentRedirect" or "TemporaryRedirect" or "IllegalLocationConstraintException":
                throw WrongRegion(answer, error);
            case "InvalidObjectState":
                throw new SourceException(SourceFault.Denied, $"{what()} is archived; restore it first.");
            case "RequestTimeout" or "SlowDown" or "InternalError" or "Throttling" or "OperationAborted":
                Again(text, RetryAfter(answer), null);
                return;
        }
        switch (status)
        {
            case 404 or 405 or 412 or 416 when isObject:
                AfterChanged();
                return;
            case 301 or 302 or 307 or 308:
                throw WrongRegion(answer, error);
            case 401 or 403:
                throw new SourceException(SourceFault.Denied, $"{what()}: permission denied ({text}{(error.Message.Length > 0 ? ": " + error.Message : "")}); {(_keys is null ? "it is not public: give credentials." : $"access key {_keys.Id} needs s3:GetObject and s3:ListBucket.")}");
            case 408 or 425 or 429 or >= 500 and not 501 and not 505:
                Again(text, RetryAfter(answer), null);
                return;
            case >= 200 and < 300:
                Again($"an answer {status} that was not asked for", null, null);
                return;
            default:
                throw new SourceException(SourceFault.Unavailable, $"{what()}: {client.Location.Host} answered {text}{(error.Message.Length > 0 ? ": " + error.Message : "")}; is it an S3 endpoint?");
        }
    }

    /// <summary>Expired keys are looked for anew once.</summary>
    async ValueTask RenewAsync(string text)
    {
        if (_renewed || _keys is null || await client.Credentials!.RenewAsync(_keys, caller) is null)
            throw new SourceException(SourceFault.Denied, $"{what()}: the credentials are expired or unknown to the server ({text}), and there are no newer ones; renew them and try again.");
        _renewed = true;
    }

    SourceException WrongRegion(HttpResponseMessage answer, S3Error error)
    {
        string? region = answer.Headers.TryGetValues("x-amz-bucket-region", out IEnumerable<string>? values) ? values.First() : error.Region;
        return Misconfigured(region is { Length: > 0 and <= 64 }
            ? $"the bucket is in the region {region}, not {client.Location.Region}; give --region {region}."
            : $"the bucket is not at {client.Location.Host}; give its --region or --endpoint.");
    }

    SourceException Misconfigured(string message) => new(SourceFault.Misconfigured, $"{what()}: {message}");

    static TimeSpan? RetryAfter(HttpResponseMessage answer) =>
        answer.Headers.RetryAfter is RetryConditionHeaderValue { Delta: { } delta } ? delta : null;

    /// <summary>Reads a body whole, up to a limit; what is beyond is left.</summary>
    static async ValueTask<byte[]> ReadBodyAsync(HttpResponseMessage answer, int limit, CancellationToken cancellation)
    {
        using Stream stream = await answer.Content.ReadAsStreamAsync(cancellation);
        byte[] body = new byte[limit];
        int length = await stream.ReadAtLeastAsync(body, limit, throwOnEndOfStream: false, cancellation);
        return body[..length];
    }

    public void Dispose() => _timeout.Dispose();
}
