using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources;

public enum SourceKind
{
    LocalDirectory,
    S3,
    Oss,
}

/// <summary>
/// What an engineer types to name a source: <c>s3://bucket/prefix</c>, <c>oss://bucket/prefix</c>, <c>file:///path</c> or a
/// bare path. Object store prefixes are taken literally, as the tools of the field do; <c>file:</c> paths are percent-decoded.
/// </summary>
/// <param name="Bucket">Object stores: the bucket; else empty.</param>
/// <param name="Prefix">Object stores: empty, or ends in '/': a source is a directory, so "train" does not cover "training/".</param>
/// <param name="Path">Directories: absolute, without '.', '..', doubled or trailing '/'; else empty.</param>
public sealed record SourceUri(SourceKind Kind, string Bucket, string Prefix, string Path)
{
    const string Forms = "s3://bucket/prefix, oss://bucket/prefix, nfs://server/export, file:///path or a path, or odps+ and one of these for a table export";

    /// <exception cref="SourceException">Misconfigured, with one line that says what is wrong.</exception>
    public static SourceUri Parse(string text)
    {
        if (text.Length == 0) throw Bad($"The source is empty; give {Forms}.");
        if (HasControl(text)) throw Bad("The source's name holds a control character; a source is a printable name.");

        int colon = text.IndexOf("://", StringComparison.Ordinal);
        if (colon < 0 || text.AsSpan(0, colon).Contains('/')) return Directory(text);

        string scheme = text[..colon].ToLowerInvariant();
        string rest = text[(colon + 3)..];
        return scheme switch
        {
            "s3" => Object(SourceKind.S3, text, rest),
            "oss" => Object(SourceKind.Oss, text, rest),
            "file" => File(text, rest),
            _ => throw Bad($"'{scheme}://' is not a source this version knows; give {Forms}."),
        };
    }

    static SourceUri Object(SourceKind kind, string text, string rest)
    {
        int slash = rest.IndexOf('/');
        string bucket = slash < 0 ? rest : rest[..slash];
        string prefix = slash < 0 ? "" : rest[(slash + 1)..];
        // The text is not repeated: what stands before an '@' may be a secret.
        if (bucket.Contains('@')) throw Bad("Credentials do not belong into a source's name; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile.");
        if (bucket.Length is < 1 or > 255) throw Bad($"'{text}' names no bucket; give {Forms}.");
        if (!bucket.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_')) throw Bad($"'{bucket}' is not a bucket name: letters, digits, '-', '.' and '_' only.");
        if (prefix.Length > 0 && !prefix.EndsWith('/')) prefix += "/";
        if (Encoding.UTF8.GetByteCount(prefix) > 1024) throw Bad($"The prefix of bucket '{bucket}' is longer than a key can be (1024 bytes).");
        return new SourceUri(kind, bucket, prefix, "");
    }

    static SourceUri File(string text, string rest)
    {
        int slash = rest.IndexOf('/');
        string host = slash < 0 ? rest : rest[..slash];
        if (slash < 0 || (host.Length > 0 && !host.Equals("localhost", StringComparison.OrdinalIgnoreCase)))
            throw Bad(host.Contains('@') ? "A file: source has no user; give file:///path." : $"'{text}' names another host; mount it here and give file:///path.");
        string path = Uri.UnescapeDataString(rest[slash..]);
        if (HasControl(path)) throw Bad("The source's name holds a control character; a source is a printable name.");
        return Directory(path);
    }

    static SourceUri Directory(string path) =>
        new(SourceKind.LocalDirectory, "", "", System.IO.Path.TrimEndingDirectorySeparator(Squeeze(System.IO.Path.GetFullPath(path))));

    /// <summary>GetFullPath resolves '.' and '..' and doubled separators; "//x" is left with two in front.</summary>
    static string Squeeze(string path) => "/" + path.TrimStart('/');

    static bool HasControl(string text) => text.Any(char.IsControl);

    static SourceException Bad(string message) => new(SourceFault.Misconfigured, message);
}
