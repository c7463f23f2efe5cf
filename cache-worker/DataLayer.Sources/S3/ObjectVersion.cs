using System.Buffers;
using System.Text;

namespace DataLayer.Sources.S3;

/// <summary>
/// One version of an object: its ETag without quotes and, in a versioned bucket, its version id. As a version tag: the
/// ETag's ASCII bytes, then (if there is one) a NUL and the version id's.
/// </summary>
internal readonly record struct ObjectVersion(string ETag, string? VersionId)
{
    /// <summary>AWS's version ids have 32 characters and are documented to stay below 1024 bytes; an ETag has at most about 40.</summary>
    public const int TagLimit = 2048;

    public byte[] ToTag() => Encoding.ASCII.GetBytes(VersionId is null ? ETag : ETag + '\0' + VersionId);

    public static bool TryParse(ReadOnlySpan<byte> tag, out ObjectVersion version)
    {
        version = default;
        if (tag.Length is 0 or > TagLimit) return false;
        int end = tag.IndexOf((byte)0);
        ReadOnlySpan<byte> etag = end < 0 ? tag : tag[..end];
        ReadOnlySpan<byte> id = end < 0 ? [] : tag[(end + 1)..];
        if (!IsPlain(etag) || (end >= 0 && !IsPlain(id))) return false;
        version = new ObjectVersion(Encoding.ASCII.GetString(etag), end < 0 ? null : Encoding.ASCII.GetString(id));
        return true;
    }

    /// <summary>What may stand in a header between quotes.</summary>
    static bool IsPlain(ReadOnlySpan<byte> text) =>
        !text.IsEmpty && text.IndexOfAnyExceptInRange((byte)0x21, (byte)0x7E) < 0 && !text.Contains((byte)'"');

    public static bool IsPlain(string text) => text.Length > 0 && text.AsSpan().IndexOfAnyExceptInRange('\x21', '\x7E') < 0 && !text.Contains('"');

    /// <summary>Strips quotes and the weakness mark (a proxy that re-encodes adds it; the bytes are checked all the same).</summary>
    public static ReadOnlySpan<char> Unquote(ReadOnlySpan<char> header)
    {
        header = header.Trim();
        if (header.StartsWith("W/")) header = header[2..];
        return header.Length >= 2 && header[0] == '"' && header[^1] == '"' ? header[1..^1] : header;
    }

    /// <summary>Hex digits compare without case: OSS writes an MD5 in upper case, other servers in lower.</summary>
    public static bool SameETag(ReadOnlySpan<char> a, ReadOnlySpan<char> b) =>
        a.SequenceEqual(b) || (a.Length == b.Length && IsHexOrDash(a) && a.Equals(b, StringComparison.OrdinalIgnoreCase));

    static bool IsHexOrDash(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
            if (!char.IsAsciiHexDigit(c) && c != '-') return false;
        return true;
    }

    /// <summary>The ETag has the form of an MD5 (whether it is one depends on the bucket's encryption).</summary>
    public static bool TryMd5(string etag, Span<byte> md5)
    {
        if (etag.Length != 32) return false;
        return Convert.FromHexString(etag, md5, out _, out int written) == OperationStatus.Done && written == 16;
    }
}
