using System.Buffers.Binary;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

internal enum BodyVerdict
{
    Good,

    /// <summary>Not the ETag's MD5, which may not be one: to be fetched again and judged together.</summary>
    Unproven,

    /// <summary>Not what the checksum says.</summary>
    Damaged,
}

internal enum DigestKind : byte
{
    None,
    Crc32C,
    Crc64Nvme,
    Crc64Xz,
    Md5,
}

/// <summary>What an answer says of its whole body: the cheapest digest that it gives.</summary>
/// <param name="Value">CRCs: the value. MD5: its first 8 bytes, big-endian.</param>
/// <param name="Low">MD5: its last 8 bytes.</param>
internal readonly record struct BodyDigest(DigestKind Kind, ulong Value, ulong Low = 0)
{
    public static BodyDigest Of(HttpResponseMessage answer, string etag)
    {
        HttpHeadersNonValidated headers = answer.Headers.NonValidated;
        // A composite checksum covers the parts' checksums, not the bytes.
        bool composite = Get(headers, "x-amz-checksum-type") is "COMPOSITE";
        Span<byte> raw = stackalloc byte[16];
        if (!composite && Get(headers, "x-amz-checksum-crc64nvme") is { } nvme && Convert.TryFromBase64String(nvme, raw, out int length) && length == 8)
            return new BodyDigest(DigestKind.Crc64Nvme, BinaryPrimitives.ReadUInt64BigEndian(raw));
        if (!composite && Get(headers, "x-amz-checksum-crc32c") is { } crc32C && Convert.TryFromBase64String(crc32C, raw, out length) && length == 4)
            return new BodyDigest(DigestKind.Crc32C, BinaryPrimitives.ReadUInt32BigEndian(raw));
        if (Get(headers, "x-oss-hash-crc64ecma") is { } ecma && ulong.TryParse(ecma, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value))
            return new BodyDigest(DigestKind.Crc64Xz, value);
        // Encrypted with a key of KMS or the customer, the ETag is 32 digits of something else.
        if (Get(headers, "x-amz-server-side-encryption") is { } sse && !sse.Equals("AES256", StringComparison.OrdinalIgnoreCase)) return default;
        if (headers.Contains("x-amz-server-side-encryption-customer-algorithm")) return default;
        return ObjectVersion.TryMd5(etag, raw)
            ? new BodyDigest(DigestKind.Md5, BinaryPrimitives.ReadUInt64BigEndian(raw), BinaryPrimitives.ReadUInt64BigEndian(raw[8..]))
            : default;
    }

    static string? Get(HttpHeadersNonValidated headers, string name) => headers.TryGetValues(name, out HeaderStringValues values) ? values.ToString() : null;
}

/// <summary>
/// Compares whole bodies with the digest that came with them. One per source, for concurrent use: it learns whether the
/// ETags of this bucket are MD5s at all. Measured on 112 KB bodies: a CRC costs 5 to 10 µs, an MD5 about 170 µs.
/// </summary>
internal sealed class BodyCheck(bool on)
{
    /// <summary>So many objects, each fetched twice alike, and never a match: the bucket's ETags are not MD5s.</summary>
    const int GiveUpMd5After = 4;

    int _md5Matches;
    int _md5Mismatches;

    public bool IsOn => on;

    /// <param name="disputed">SHA-256 of the body before, when it was <see cref="BodyVerdict.Unproven"/>; else null.</param>
    public BodyVerdict Judge(BodyDigest expected, ReadOnlySpan<byte> body, ref byte[]? disputed)
    {
        if (!on) return BodyVerdict.Good;
        switch (expected.Kind)
        {
            case DigestKind.Crc32C:
                return Verdict(Crc32C.Compute(body) == expected.Value);
            case DigestKind.Crc64Nvme:
                return Verdict(Crc64.Nvme.Compute(body) == expected.Value);
            case DigestKind.Crc64Xz:
                return Verdict(Crc64.Xz.Compute(body) == expected.Value);
            case DigestKind.Md5:
                return JudgeMd5(expected, body, ref disputed);
            default:
                return BodyVerdict.Good;
        }
    }

    static BodyVerdict Verdict(bool same) => same ? BodyVerdict.Good : BodyVerdict.Damaged;

    BodyVerdict JudgeMd5(BodyDigest expected, ReadOnlySpan<byte> body, ref byte[]? disputed)
    {
        if (Volatile.Read(ref _md5Matches) == 0 && Volatile.Read(ref _md5Mismatches) >= GiveUpMd5After) return BodyVerdict.Good;
        Span<byte> md5 = stackalloc byte[16];
        MD5.HashData(body, md5);
        if (BinaryPrimitives.ReadUInt64BigEndian(md5) == expected.Value && BinaryPrimitives.ReadUInt64BigEndian(md5[8..]) == expected.Low)
        {
            Volatile.Write(ref _md5Matches, 1);
            return BodyVerdict.Good;
        }
        // Two requests, two bodies alike, and no ETag of this bucket was ever seen to be an MD5: then these are none. In a
        // bucket where they are, what is damaged twice the same way was damaged before it was sent.
        byte[] hash = SHA256.HashData(body);
        if (disputed is not null && Volatile.Read(ref _md5Matches) == 0 && disputed.AsSpan().SequenceEqual(hash))
        {
            Interlocked.Increment(ref _md5Mismatches);
            return BodyVerdict.Good;
        }
        bool second = disputed is not null;
        disputed = hash;
        return second ? BodyVerdict.Damaged : BodyVerdict.Unproven;
    }
}
