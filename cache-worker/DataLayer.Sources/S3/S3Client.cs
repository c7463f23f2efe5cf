using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>One GET, before it is signed.</summary>
/// <param name="Path">Percent-encoded.</param>
/// <param name="Query">Percent-encoded, sorted by name, without '?'.</param>
/// <param name="ETag">For If-Match, without quotes; null for none.</param>
/// <param name="First">First byte wanted, or -1 for all: then no Range is sent.</param>
/// <param name="Last">Last byte wanted, inclusive.</param>
/// <param name="AskChecksum">Ask for the checksum stored with the object.</param>
internal readonly record struct S3Request(string Path, string Query, string? ETag = null, long First = -1, long Last = -1, bool AskChecksum = false);

/// <summary>
/// Sends signed GETs to one bucket over HTTP/1.1. Why not the AWS SDK's client: per 4 KB GET it costs about five times
/// the CPU and garbage of a plain request, and it needs special settings for most servers that are not AWS. Listing goes
/// the same way, so that there is one path for signing, faults and limits. Safe for concurrent use.
/// </summary>
internal sealed class S3Client : IDisposable
{
    readonly HttpMessageInvoker _http;
    readonly SemaphoreSlim _slots;
    readonly SigV4Signer _signer;
    readonly string _base;

    /// <summary>Server clock minus ours, once a server complained about ours.</summary>
    TimeSpan _clockOffset;

    /// <param name="credentials">Null: requests go unsigned.</param>
    public S3Client(S3Location location, SourceOptions options, S3Credentials? credentials)
    {
        Location = location;
        Options = options;
        Credentials = credentials;
        _base = $"{location.Scheme}://{location.Host}";
        _signer = new SigV4Signer(location.Region);
        _slots = new SemaphoreSlim(options.MaxConnections);
        _http = new HttpMessageInvoker(CreateHandler(location, options), disposeHandler: true);
    }

    public S3Location Location { get; }
    public SourceOptions Options { get; }
    public S3Credentials? Credentials { get; }

    static SocketsHttpHandler CreateHandler(S3Location location, SourceOptions options)
    {
        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false, // a redirect needs another signature, and tells a wrong region
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = !location.IsLoopback,
            ActivityHeadersPropagator = null,
            MaxConnectionsPerServer = options.MaxConnections,
            ConnectTimeout = options.RequestTimeout < TimeSpan.FromSeconds(5) ? options.RequestTimeout : TimeSpan.FromSeconds(5),
            // Object stores close idle connections after 5 to 60 s; a new one costs one round trip.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
            // Endpoints are many addresses behind one name that change within minutes.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            MaxResponseHeadersLength = 64, // KiB
            // An abandoned body is dropped with its connection: its rest may be gigabytes.
            MaxResponseDrainSize = 0,
        };
        if (Environment.GetEnvironmentVariable("AWS_CA_BUNDLE") is { Length: > 0 } bundle && location.Scheme == "https") TrustBundle(handler.SslOptions, bundle);
        return handler;
    }

    static void TrustBundle(SslClientAuthenticationOptions ssl, string bundle)
    {
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(bundle);
        }
        catch (Exception e)
        {
            throw new SourceException(SourceFault.Misconfigured, $"AWS_CA_BUNDLE names {bundle}, which cannot be read as certificates: {e.Message}", e);
        }
        ssl.CertificateChainPolicy = policy;
    }

    /// <summary>A free connection's right of use; released by <see cref="ReleaseSlot"/>. Waiting is not counted as the server's time.</summary>
    public Task WaitForSlotAsync(CancellationToken cancellation) => _slots.WaitAsync(cancellation);

    public void ReleaseSlot() => _slots.Release();

    /// <summary>Sends one attempt; returns when the answer's headers are here.</summary>
    /// <param name="keys">Null: unsigned.</param>
    public Task<HttpResponseMessage> SendAsync(in S3Request request, AccessKeys? keys, CancellationToken cancellation)
    {
        // Canonicalization off: a key "a/../b" is not "b".
        string text = request.Query.Length == 0 ? _base + request.Path : $"{_base}{request.Path}?{request.Query}";
        HttpRequestMessage message = new(HttpMethod.Get, new Uri(text, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        if (keys is not null)
        {
            string date = _signer.AmzDate(DateTimeOffset.UtcNow + _clockOffset);
            string authorization = _signer.Authorize(keys, Location.Host, request.Path, request.Query, date, request.AskChecksum);
            message.Headers.TryAddWithoutValidation("Authorization", authorization);
            message.Headers.TryAddWithoutValidation("x-amz-content-sha256", SigV4Signer.EmptyBodyHash);
            message.Headers.TryAddWithoutValidation("x-amz-date", date);
            if (keys.SessionToken is not null) message.Headers.TryAddWithoutValidation("x-amz-security-token", keys.SessionToken);
        }
        if (request.AskChecksum) message.Headers.TryAddWithoutValidation("x-amz-checksum-mode", "ENABLED");
        if (request.ETag is not null) message.Headers.TryAddWithoutValidation("If-Match", $"\"{request.ETag}\"");
        if (request.First >= 0) message.Headers.TryAddWithoutValidation("Range", $"bytes={request.First}-{request.Last}");
        return _http.SendAsync(message, cancellation);
    }

    /// <summary>Takes over the clock of a server that refused ours.</summary>
    public bool AdjustClock(HttpResponseMessage answer)
    {
        if (answer.Headers.Date is not { } server) return false;
        _clockOffset = server - DateTimeOffset.UtcNow;
        return true;
    }

    public void Dispose()
    {
        _http.Dispose();
        _slots.Dispose();
    }
}
