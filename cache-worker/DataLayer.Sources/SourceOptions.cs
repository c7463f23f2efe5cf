using System.Net;
using DataLayer.Formats;

namespace DataLayer.Sources;

/// <summary>How a source is reached. Immutable; <see cref="Validate"/> is called once, when a source is opened.</summary>
public sealed record SourceOptions
{
    /// <summary>
    /// Object stores: "https://host[:port]" or "host[:port]" (https). Null: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL (for
    /// oss:// OSS_ENDPOINT), else the public endpoint of the region.
    /// </summary>
    public string? Endpoint { get; init; }

    /// <summary>Object stores: the region requests are signed for. Null: AWS_REGION, AWS_DEFAULT_REGION, the profile, us-east-1 (oss://: OSS_REGION, the endpoint's).</summary>
    public string? Region { get; init; }

    /// <summary>
    /// True: <c>endpoint/bucket/key</c>; false: <c>bucket.endpoint/key</c>. Null: virtual-hosted, except where that cannot
    /// work: an endpoint that is an IP address or localhost, a bucket name that is not a DNS label.
    /// </summary>
    public bool? PathStyle { get; init; }

    /// <summary>Object stores: send requests unsigned, for public buckets. No credentials are looked for.</summary>
    public bool Anonymous { get; init; }

    /// <summary>
    /// Longest wait for one answer's first byte, and again for each further <see cref="MinimumProgress"/> bytes of it. Then
    /// the request is given up and tried again.
    /// </summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A read that is not complete after this time, with all its retries, fails.</summary>
    public TimeSpan ReadDeadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Connections to an object store, and requests under way at once. 128 × 112 KB fill 1 GB/s at 15 ms latency; more
    /// helps only on longer ways.
    /// </summary>
    public int MaxConnections { get; init; } = 128;

    /// <summary>
    /// LIST requests under way at once. A LIST costs a server far more than a GET: 32 reach about a million keys in the
    /// time of 35 requests, and stay well below the rate at which object stores begin to throttle.
    /// </summary>
    public int MaxListRequests { get; init; } = 32;

    /// <summary>Check whole objects against the checksum or MD5 that the object store gives with them.</summary>
    public bool VerifyBodies { get; init; } = true;

    /// <summary>Threads that a directory source may block in system calls.</summary>
    public int MaxThreads { get; init; } = 16;

    /// <summary>How <c>odps+…</c> sources are read.</summary>
    public OdpsOptions Odps { get; init; } = new();

    /// <summary>
    /// Folders for what is derived from table exports (row indexes, JSON files), by digest: the first is written to, all are
    /// searched. Without any they are kept in memory.
    /// </summary>
    public IReadOnlyList<string> TableFolders { get; init; } = [];

    /// <summary>Told what a user should know about a source, a sentence each.</summary>
    public Action<string>? Notify { get; init; }

    /// <summary>Told how far the indexing of a table's rows is; often, and from several threads.</summary>
    public Action<IndexingProgress>? Indexing { get; init; }

    /// <summary>For tests of virtual-hosted addresses: connect here whatever the endpoint's name.</summary>
    internal EndPoint? ConnectTo { get; init; }

    /// <summary>64 KiB in 10 s: what is slower is a stuck server or path, not a thin one, and is continued over a new connection.</summary>
    internal const int MinimumProgress = 64 * 1024;

    /// <exception cref="SourceException">Misconfigured: the first bad value, and what is allowed.</exception>
    public void Validate()
    {
        Require(RequestTimeout > TimeSpan.Zero && RequestTimeout <= TimeSpan.FromHours(1), $"The request timeout is {RequestTimeout}; it must be above 0 and at most 1 hour.");
        Require(ReadDeadline > TimeSpan.Zero && ReadDeadline <= TimeSpan.FromHours(24), $"The read deadline is {ReadDeadline}; it must be above 0 and at most 24 hours.");
        Require(MaxConnections is >= 1 and <= 4096, $"The number of connections is {MaxConnections}; it must be 1 to 4096.");
        Require(MaxListRequests is >= 1 and <= 256, $"The number of LIST requests at once is {MaxListRequests}; it must be 1 to 256.");
        Require(MaxThreads is >= 1 and <= 256, $"The number of threads is {MaxThreads}; it must be 1 to 256.");
        Require(Region is null || (Region.Length is > 0 and <= 64 && Region.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')), $"'{Region}' is not a region; give one such as us-east-1.");
    }

    static void Require(bool holds, string message)
    {
        if (!holds) throw new SourceException(SourceFault.Misconfigured, message);
    }
}

/// <summary>How far the one decode of a table is that its row views need.</summary>
/// <param name="TextBytes">Size of the rows found so far, as JSON lines.</param>
public readonly record struct IndexingProgress(long FilesDone, long Files, long TextBytes);
