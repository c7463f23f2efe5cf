namespace DataLayer.TestKit.S3;

public enum S3CallKind
{
    Get,
    Head,
    List,
    ListVersions,
    Versioning,
    Other,
}

/// <summary>One request that a <see cref="FaultyS3Server"/> received.</summary>
public sealed class S3Call
{
    /// <summary>From 1, over all requests.</summary>
    public required int Number { get; init; }

    /// <summary>From 1, over the requests of the same kind and, for <see cref="S3CallKind.Get"/>, the same key.</summary>
    public required int NumberOfKind { get; init; }

    public required S3CallKind Kind { get; init; }
    public required string Method { get; init; }

    /// <summary>As sent, with the query.</summary>
    public required string Target { get; init; }

    /// <summary>Of an object, decoded; else empty.</summary>
    public required byte[] KeyBytes { get; init; }

    public string Key => System.Text.Encoding.UTF8.GetString(KeyBytes);

    /// <summary>Decoded.</summary>
    public required IReadOnlyDictionary<string, string> Query { get; init; }

    /// <summary>Names in lower case.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    public string? Range => Headers.GetValueOrDefault("range");

    /// <summary>What came after the headers, where Content-Length announced it.</summary>
    public required byte[] Body { get; init; }
}

/// <summary>What a <see cref="FaultyS3Server"/> does to one answer. The parts combine.</summary>
public sealed record S3Fault
{
    /// <summary>Before anything is sent.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Until this completes nothing is sent: for tests that decide the moment.</summary>
    public Task? Until { get; init; }

    /// <summary>Answer with this status instead, and <see cref="Code"/> in an S3 error document.</summary>
    public int Status { get; init; }

    public string Code { get; init; } = "";

    /// <summary>The whole body instead of the usual one; with <see cref="Status"/> 0 as a 200.</summary>
    public byte[]? Body { get; init; }

    /// <summary>More header lines, without line ends.</summary>
    public IReadOnlyList<string> Headers { get; init; } = [];

    /// <summary>Close the connection without any answer, by RST.</summary>
    public bool Drop { get; init; }

    /// <summary>After so many bytes of the body: RST.</summary>
    public long? ResetAfter { get; init; }

    /// <summary>After so many bytes of the body: an orderly close.</summary>
    public long? CloseAfter { get; init; }

    /// <summary>After so many bytes of the body: nothing more, with the connection open.</summary>
    public long? StallAfter { get; init; }

    /// <summary>One bit of the body is flipped, another one each time.</summary>
    public bool Corrupt { get; init; }

    /// <summary>The Content-Length header says this; the body is sent as it is.</summary>
    public long? ContentLength { get; init; }

    /// <summary>The ETag header says this, without quotes; "" for no such header.</summary>
    public string? ETag { get; init; }

    /// <summary>The body comes in pieces of so many bytes, one every 100 ms.</summary>
    public int? Trickle { get; init; }

    public bool IgnoreIfMatch { get; init; }
    public bool IgnoreRange { get; init; }

    public static S3Fault Refuse(int status, string code) => new() { Status = status, Code = code };
    public static S3Fault SlowDown(int? retryAfterSeconds = null) =>
        new() { Status = 503, Code = "SlowDown", Headers = retryAfterSeconds is { } s ? [$"Retry-After: {s}"] : [] };
}

/// <summary>Requests received, by kind.</summary>
public readonly record struct S3Counts(int Get, int Head, int List, int ListVersions, int Versioning, int Other, int Refused);
