using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Sources.S3;

/// <summary>One set of keys, as the chain gave them. ToString shows no secret.</summary>
internal sealed record AccessKeys(string Id, string Secret, string? SessionToken)
{
    public override string ToString() => $"access key {Id}";
}

/// <summary>
/// AWS Signature Version 4 for GET requests without a body, in the Authorization header. The signing key is derived once
/// per day and access key. Signed are host and the x-amz-* headers (required) and not Range and If-Match (optional): what
/// those ask for is checked in every answer. Safe for concurrent use.
/// </summary>
internal sealed class SigV4Signer(string region)
{
    /// <summary>SHA-256 of the empty body.</summary>
    public const string EmptyBodyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    DayKey? _dayKey;
    Stamp? _stamp;

    sealed record DayKey(string Date, AccessKeys Keys, byte[] Key, string Scope);

    /// <param name="Second">Unix time.</param>
    /// <param name="Text">yyyyMMdd'T'HHmmss'Z'.</param>
    sealed record Stamp(long Second, string Text);

    /// <summary>A time as x-amz-date has it; made once a second.</summary>
    public string AmzDate(DateTimeOffset now)
    {
        long second = now.ToUnixTimeSeconds();
        Stamp? stamp = _stamp;
        if (stamp is null || stamp.Second != second) _stamp = stamp = new Stamp(second, now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'"));
        return stamp.Text;
    }

    /// <summary>The value of the Authorization header.</summary>
    /// <param name="path">Percent-encoded, starting with '/'.</param>
    /// <param name="query">Percent-encoded, sorted by name, every name with '=', without '?'.</param>
    /// <param name="amzDate">See <see cref="AmzDate"/>; sent as x-amz-date.</param>
    /// <param name="askChecksum">The request carries "x-amz-checksum-mode: ENABLED".</param>
    public string Authorize(AccessKeys keys, string host, string path, string query, string amzDate, bool askChecksum)
    {
        DayKey day = KeyOf(keys, amzDate);
        string signedHeaders = (askChecksum, keys.SessionToken is not null) switch
        {
            (false, false) => "host;x-amz-content-sha256;x-amz-date",
            (true, false) => "host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date",
            (false, true) => "host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
            (true, true) => "host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date;x-amz-security-token",
        };

        int size = 512 + path.Length + query.Length + host.Length + (keys.SessionToken?.Length ?? 0);
        byte[] rented = ArrayPool<byte>.Shared.Rent(size);
        Span<byte> hash = stackalloc byte[32];
        try
        {
            Ascii canonical = new(rented);
            canonical.Add("GET\n");
            canonical.Add(path);
            canonical.Add("\n");
            canonical.Add(query);
            canonical.Add("\nhost:");
            canonical.Add(host);
            if (askChecksum) canonical.Add("\nx-amz-checksum-mode:ENABLED");
            canonical.Add("\nx-amz-content-sha256:" + EmptyBodyHash + "\nx-amz-date:");
            canonical.Add(amzDate);
            if (keys.SessionToken is not null)
            {
                canonical.Add("\nx-amz-security-token:");
                canonical.Add(keys.SessionToken);
            }
            canonical.Add("\n\n");
            canonical.Add(signedHeaders);
            canonical.Add("\n" + EmptyBodyHash);
            SHA256.HashData(canonical.Written, hash);

            Ascii toSign = new(rented);
            toSign.Add("AWS4-HMAC-SHA256\n");
            toSign.Add(amzDate);
            toSign.Add("\n");
            toSign.Add(day.Scope);
            toSign.Add("\n");
            toSign.AddHex(hash);
            HMACSHA256.HashData(day.Key, toSign.Written, hash);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
        Span<char> signature = stackalloc char[64];
        Convert.TryToHexStringLower(hash, signature, out _);
        return $"AWS4-HMAC-SHA256 Credential={keys.Id}/{day.Scope}, SignedHeaders={signedHeaders}, Signature={signature}";
    }

    DayKey KeyOf(AccessKeys keys, string amzDate)
    {
        DayKey? day = _dayKey;
        if (day is not null && ReferenceEquals(day.Keys, keys) && amzDate.AsSpan(0, 8).SequenceEqual(day.Date)) return day;
        string date = amzDate[..8];
        byte[] key = HMACSHA256.HashData(Encoding.UTF8.GetBytes("AWS4" + keys.Secret), Encoding.ASCII.GetBytes(date));
        key = HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(region));
        key = HMACSHA256.HashData(key, "s3"u8);
        key = HMACSHA256.HashData(key, "aws4_request"u8);
        return _dayKey = new DayKey(date, keys, key, $"{date}/{region}/s3/aws4_request");
    }

    /// <summary>Appends ASCII to a buffer that was sized for it.</summary>
    ref struct Ascii(Span<byte> buffer)
    {
        readonly Span<byte> _buffer = buffer;
        int _length;

        public readonly ReadOnlySpan<byte> Written => _buffer[.._length];

        public void Add(string text) => _length += Encoding.ASCII.GetBytes(text, _buffer[_length..]);

        public void AddHex(scoped ReadOnlySpan<byte> bytes)
        {
            foreach (byte b in bytes)
            {
                _buffer[_length++] = "0123456789abcdef"u8[b >> 4];
                _buffer[_length++] = "0123456789abcdef"u8[b & 15];
            }
        }
    }
}
