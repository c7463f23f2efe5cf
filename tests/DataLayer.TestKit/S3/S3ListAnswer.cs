using System.Globalization;
using System.Text;

namespace DataLayer.TestKit.S3;

/// <summary>Listings as S3 writes them.</summary>
internal static class S3ListAnswer
{
    /// <param name="after">Exclusive.</param>
    public static byte[] Write(S3Objects objects, string bucket, byte[] prefix, byte[]? after, string? delimiter, int maxKeys, bool urlEncoded, bool versions)
    {
        S3Object[] sorted = objects.Sorted(versions);
        StringBuilder rows = new(maxKeys * 300);
        List<byte[]> groups = [];
        int from = S3Objects.FirstAbove(sorted, prefix, orEqual: true);
        if (after is not null) from = Math.Max(from, S3Objects.FirstAbove(sorted, after));
        int count = 0, at = from;
        byte[]? last = null;
        bool truncated = false;
        while (at < sorted.Length && sorted[at].Key.AsSpan().StartsWith(prefix))
        {
            if (count == maxKeys)
            {
                truncated = true;
                break;
            }
            S3Object item = sorted[at];
            count++;
            int cut = delimiter is null ? -1 : item.Key.AsSpan(prefix.Length).IndexOf((byte)delimiter[0]);
            if (cut >= 0)
            {
                byte[] group = item.Key[..(prefix.Length + cut + 1)];
                groups.Add(group);
                last = group;
                while (at < sorted.Length && sorted[at].Key.AsSpan().StartsWith(group)) at++;
                continue;
            }
            bool isLatest = !versions || at == 0 || !sorted[at - 1].Key.AsSpan().SequenceEqual(item.Key);
            Row(rows, item, urlEncoded, versions, isLatest);
            last = item.Key;
            at++;
        }

        string root = versions ? "ListVersionsResult" : "ListBucketResult";
        StringBuilder xml = new(rows.Length + 1024);
        xml.Append("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<").Append(root).Append(" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>").Append(bucket)
            .Append("</Name><Prefix>").Append(Text(prefix, urlEncoded)).Append("</Prefix><MaxKeys>").Append(maxKeys).Append("</MaxKeys>");
        if (urlEncoded) xml.Append("<EncodingType>url</EncodingType>");
        xml.Append("<IsTruncated>").Append(truncated ? "true" : "false").Append("</IsTruncated>");
        if (truncated && !versions) xml.Append("<NextContinuationToken>").Append(Convert.ToHexString(last!)).Append("</NextContinuationToken>");
        if (truncated && versions) xml.Append("<NextKeyMarker>").Append(Text(last!, urlEncoded)).Append("</NextKeyMarker>");
        xml.Append(rows);
        foreach (byte[] group in groups) xml.Append("<CommonPrefixes><Prefix>").Append(Text(group, urlEncoded)).Append("</Prefix></CommonPrefixes>");
        xml.Append("</").Append(root).Append('>');
        return Encoding.UTF8.GetBytes(xml.ToString());
    }

    static void Row(StringBuilder xml, S3Object item, bool urlEncoded, bool versions, bool isLatest)
    {
        string tag = !versions ? "Contents" : item.IsDeleteMarker ? "DeleteMarker" : "Version";
        xml.Append('<').Append(tag).Append("><Key>").Append(Text(item.Key, urlEncoded)).Append("</Key>");
        if (versions) xml.Append("<VersionId>").Append(item.VersionId).Append("</VersionId><IsLatest>").Append(isLatest ? "true" : "false").Append("</IsLatest>");
        xml.Append("<LastModified>").Append(item.Modified.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)).Append("</LastModified>");
        if (!item.IsDeleteMarker)
            xml.Append("<ETag>&quot;").Append(item.ETag).Append("&quot;</ETag><Size>").Append(item.Body.Length).Append("</Size><StorageClass>STANDARD</StorageClass>");
        xml.Append("</").Append(tag).Append('>');
    }

    /// <summary>As AWS encodes: a space as '+', '/' as it is.</summary>
    static string Text(byte[] key, bool urlEncoded)
    {
        if (!urlEncoded) return System.Security.SecurityElement.Escape(Encoding.UTF8.GetString(key));
        StringBuilder text = new(key.Length + 16);
        foreach (byte b in key)
        {
            if (b == ' ') text.Append('+');
            else if (char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'*' or (byte)'/') text.Append((char)b);
            else text.Append('%').Append(b.ToString("X2"));
        }
        return text.ToString();
    }
}
