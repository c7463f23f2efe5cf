using System.Globalization;
using System.Text;
using System.Xml;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>One page of a listing, its keys whole (with the source's prefix).</summary>
internal sealed class ListPage
{
    /// <summary>Current versions only; delete markers and old versions are left out.</summary>
    public List<SourceEntry> Entries { get; } = new(1000);

    /// <summary>Common prefixes, when a delimiter was given.</summary>
    public List<byte[]> Prefixes { get; } = [];

    public bool IsTruncated { get; private set; }

    /// <summary>The greatest key, prefix or old version's key seen: all up to it is listed. Null for an empty page.</summary>
    public byte[]? Last { get; private set; }

    /// <summary>The server's own way to go on, or null.</summary>
    public string? NextToken { get; private set; }

    /// <summary>Keys came in ascending byte order. A complete page may be used all the same.</summary>
    public bool IsOrdered { get; private set; } = true;

    /// <exception cref="XmlException">Not a listing.</exception>
    public static ListPage Parse(byte[] body, int length)
    {
        ListPage page = new();
        using XmlReader xml = S3Xml.Read(body, length);
        xml.MoveToContent();
        if (xml.LocalName is not ("ListBucketResult" or "ListVersionsResult" or "ListBucketVersionsResult")) throw new XmlException($"<{xml.LocalName}> is not a listing.");

        // EncodingType stands after the keys on some servers, so keys are decoded once it is known.
        bool encoded = false, complete = false;
        List<(string Key, SourceEntry Entry, bool IsCurrent)> rows = new(1000);
        List<string> prefixes = [];
        xml.Read();
        while (xml.NodeType != XmlNodeType.None)
        {
            if (xml.NodeType == XmlNodeType.EndElement)
            {
                complete = true;
                break;
            }
            switch (xml.NodeType == XmlNodeType.Element ? xml.LocalName : "")
            {
                case "EncodingType":
                    encoded = xml.ReadElementContentAsString() == "url";
                    break;
                case "IsTruncated":
                    page.IsTruncated = xml.ReadElementContentAsString() == "true";
                    break;
                case "NextContinuationToken":
                    page.NextToken = xml.ReadElementContentAsString();
                    break;
                case "Contents" or "Version":
                    rows.Add(ReadRow(xml, isVersion: xml.LocalName == "Version"));
                    break;
                case "DeleteMarker":
                    rows.Add(ReadRow(xml, isVersion: true) with { IsCurrent = false });
                    break;
                case "CommonPrefixes":
                    ReadPrefixes(xml, prefixes);
                    break;
                default:
                    xml.Skip();
                    break;
            }
        }
        if (!complete) throw new XmlException("The listing ends in its midst.");

        byte[]? previous = null;
        foreach ((string key, SourceEntry entry, bool isCurrent) in rows)
        {
            byte[] bytes = encoded ? UriEncoding.Decode(key) : Encoding.UTF8.GetBytes(key);
            // Versions of one key follow each other.
            int order = previous is null ? 1 : bytes.AsSpan().SequenceCompareTo(previous);
            if (order < 0 || (order == 0 && isCurrent)) page.IsOrdered = false;
            previous = bytes;
            page.Pass(bytes);
            if (isCurrent) page.Entries.Add(entry with { Key = bytes });
        }
        foreach (string prefix in prefixes)
        {
            byte[] bytes = encoded ? UriEncoding.Decode(prefix) : Encoding.UTF8.GetBytes(prefix);
            page.Prefixes.Add(bytes);
            page.Pass(bytes);
        }
        return page;
    }

    void Pass(byte[] key)
    {
        if (Last is null || key.AsSpan().SequenceCompareTo(Last) > 0) Last = key;
    }

    static (string Key, SourceEntry Entry, bool IsCurrent) ReadRow(XmlReader xml, bool isVersion)
    {
        string? key = null, etag = null, versionId = null;
        long size = -1, mtime = SourceEntry.NoTime;
        bool isLatest = !isVersion, isMarker = xml.LocalName == "DeleteMarker";
        if (xml.IsEmptyElement) throw new XmlException("A row of the listing is empty.");
        xml.Read();
        while (xml.NodeType != XmlNodeType.EndElement)
        {
            if (xml.NodeType == XmlNodeType.None) throw new XmlException("The listing ends in its midst.");
            switch (xml.NodeType == XmlNodeType.Element ? xml.LocalName : "")
            {
                case "Key": key = xml.ReadElementContentAsString(); break;
                case "ETag": etag = ObjectVersion.Unquote(xml.ReadElementContentAsString()).ToString(); break;
                case "Size": size = long.TryParse(xml.ReadElementContentAsString(), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : -1; break;
                case "LastModified": mtime = ParseTime(xml.ReadElementContentAsString()); break;
                case "VersionId": versionId = xml.ReadElementContentAsString(); break;
                case "IsLatest": isLatest = xml.ReadElementContentAsString() == "true"; break;
                default: xml.Skip(); break;
            }
        }
        xml.Read();
        if (string.IsNullOrEmpty(key)) throw new XmlException("A row of the listing has no key.");
        if (isMarker) return (key, default, false);
        if (size < 0) throw new XmlException($"'{key}' has no size.");
        if (etag is null || !ObjectVersion.IsPlain(etag)) throw new XmlException($"'{key}' has no ETag.");
        if (versionId is not null && !ObjectVersion.IsPlain(versionId)) throw new XmlException($"'{key}' has a version id that cannot be sent.");
        byte[] tag = new ObjectVersion(etag, isVersion ? versionId : null).ToTag();
        if (tag.Length > ObjectVersion.TagLimit) throw new XmlException($"'{key}' has an ETag and version id of {tag.Length} bytes.");
        return (key, new SourceEntry { Key = [], Kind = EntryKind.File, Size = size, MtimeNs = mtime, Mode = -1, Uid = -1, Gid = -1, VersionTag = tag, LinkTarget = [] }, isLatest);
    }

    static void ReadPrefixes(XmlReader xml, List<string> prefixes)
    {
        using XmlReader group = xml.ReadSubtree();
        while (group.Read())
            while (group.NodeType == XmlNodeType.Element && group.LocalName == "Prefix")
                prefixes.Add(group.ReadElementContentAsString());
        group.Close();
        xml.Read();
    }

    static long ParseTime(string text) =>
        DateTime.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out DateTime time)
        && (time - DateTime.UnixEpoch).Ticks is var ticks and > long.MinValue / 100 and < long.MaxValue / 100
            ? ticks * 100
            : SourceEntry.NoTime;
}
