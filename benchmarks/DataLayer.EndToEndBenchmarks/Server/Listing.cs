using System.Buffers.Text;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>
/// One page of ListObjectsV2 (list-type=2) or ListObjects, in the element order of Amazon S3. Delimiters of one byte.
/// A continuation token is the hex form of the last key or common prefix of the page before.
/// </summary>
internal static class Listing
{
    private const int MaxPage = 1000;

    /// <summary>False: a parameter is malformed.</summary>
    internal static bool TryWrite(ObjectStore store, ReadOnlySpan<byte> bucket, scoped in HttpRequest request, ByteWriter output)
    {
        Span<byte> prefixBuffer = stackalloc byte[Responder.MaxKeyBytes];
        Span<byte> afterBuffer = stackalloc byte[Responder.MaxKeyBytes];
        Span<byte> delimiterBuffer = stackalloc byte[8];
        bool isV2 = request.TryQuery("list-type"u8, out ReadOnlySpan<byte> type) && type.SequenceEqual("2"u8);
        bool encode = request.TryQuery("encoding-type"u8, out ReadOnlySpan<byte> encoding) && encoding.SequenceEqual("url"u8);
        if (!TryText(request, "prefix"u8, prefixBuffer, out ReadOnlySpan<byte> prefix) ||
            !TryText(request, "delimiter"u8, delimiterBuffer, out ReadOnlySpan<byte> delimiter) || delimiter.Length > 1 ||
            !TryText(request, isV2 ? "start-after"u8 : "marker"u8, afterBuffer, out ReadOnlySpan<byte> after))
        {
            return false;
        }

        // A page that ended with a common prefix goes on behind everything below it.
        bool skipGroup = !isV2 && delimiter.Length == 1 && after.EndsWith(delimiter);
        if (isV2 && request.TryQuery("continuation-token"u8, out ReadOnlySpan<byte> token) && token.Length > 0)
        {
            if (token.Length > 2 * Responder.MaxKeyBytes ||
                Convert.FromHexString(token, afterBuffer, out _, out int length) != System.Buffers.OperationStatus.Done)
            {
                return false;
            }

            after = afterBuffer[..length];
            skipGroup = delimiter.Length == 1 && after.EndsWith(delimiter);
        }

        int limit = MaxPage;
        if (request.TryQuery("max-keys"u8, out ReadOnlySpan<byte> maxText))
        {
            if (!Utf8Parser.TryParse(maxText, out limit, out int used) || used != maxText.Length || limit < 0) return false;
            limit = Math.Min(limit, MaxPage);
        }

        Write(store, bucket, new Page(prefix, delimiter, after, skipGroup, limit, isV2, encode), output);
        return true;
    }

    private static bool TryText(scoped in HttpRequest request, scoped ReadOnlySpan<byte> name, Span<byte> buffer, out ReadOnlySpan<byte> text)
    {
        text = default;
        if (!request.TryQuery(name, out ReadOnlySpan<byte> encoded)) return true;
        int length = HttpRequest.Decode(encoded, buffer, isQuery: true);
        if (length < 0) return false;
        text = buffer[..length];
        return true;
    }

    private static void Write(ObjectStore store, ReadOnlySpan<byte> bucket, scoped in Page page, ByteWriter output)
    {
        var contents = new ByteWriter();
        var groups = new ByteWriter();
        Span<byte> key = stackalloc byte[Responder.MaxKeyBytes];
        Span<byte> last = stackalloc byte[Responder.MaxKeyBytes];
        int lastLength = 0, count = 0, position = Start(store, page, key);
        bool truncated = false;
        while (position < store.Count)
        {
            ReadOnlySpan<byte> current = key[..store.CopyKey(position, key)];
            if (!current.StartsWith(page.Prefix)) break;
            if (count == page.Limit)
            {
                truncated = true;
                break;
            }

            count++;
            int end = page.Delimiter.Length == 0 ? -1 : current[page.Prefix.Length..].IndexOf(page.Delimiter[0]);
            ReadOnlySpan<byte> item = end < 0 ? current : current[..(page.Prefix.Length + end + 1)];
            item.CopyTo(last);
            lastLength = item.Length;
            if (end < 0)
            {
                WriteObject(store[position], item, page.Encode, contents);
                position++;
            }
            else
            {
                AddKey(groups.Add("<CommonPrefixes><Prefix>"u8), item, page.Encode).Add("</Prefix></CommonPrefixes>"u8);
                position = BehindGroup(store, key[..item.Length]);
            }
        }

        // With max-keys=0 S3 answers an empty page that is not truncated.
        truncated &= page.Limit > 0;
        output.Add("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>"u8)
            .Add(bucket).Add("</Name><Prefix>"u8);
        AddKey(output, page.Prefix, page.Encode).Add("</Prefix>"u8);
        if (page.Delimiter.Length > 0) AddKey(output.Add("<Delimiter>"u8), page.Delimiter, page.Encode).Add("</Delimiter>"u8);
        if (page.IsV2) output.Add("<KeyCount>"u8).Add(count).Add("</KeyCount>"u8);
        else AddKey(output.Add("<Marker>"u8), page.After, page.Encode).Add("</Marker>"u8);
        output.Add("<MaxKeys>"u8).Add(page.Limit).Add("</MaxKeys>"u8);
        if (page.Encode) output.Add("<EncodingType>url</EncodingType>"u8);
        output.Add(truncated ? "<IsTruncated>true</IsTruncated>"u8 : "<IsTruncated>false</IsTruncated>"u8);
        if (truncated && page.IsV2)
            output.Add("<NextContinuationToken>"u8).AddHex(last[..lastLength]).Add("</NextContinuationToken>"u8);
        // ListObjects names the next marker only with a delimiter; without one, the last key is the marker.
        else if (truncated && page.Delimiter.Length > 0)
            AddKey(output.Add("<NextMarker>"u8), last[..lastLength], page.Encode).Add("</NextMarker>"u8);
        output.Add(contents.Written).Add(groups.Written).Add("</ListBucketResult>"u8);
    }

    private static int Start(ObjectStore store, scoped in Page page, Span<byte> key)
    {
        if (page.After.SequenceCompareTo(page.Prefix) < 0 || page.After.Length == 0) return store.LowerBound(page.Prefix);
        if (page.SkipGroup)
        {
            page.After.CopyTo(key);
            return BehindGroup(store, key[..page.After.Length]);
        }

        int position = store.LowerBound(page.After);
        return position < store.Count && key[..store.CopyKey(position, key)].SequenceEqual(page.After) ? position + 1 : position;
    }

    /// <summary>The first object behind all that begin with <paramref name="group"/>, whose last byte is raised for it.</summary>
    private static int BehindGroup(ObjectStore store, Span<byte> group)
    {
        // A delimiter byte of 0xFF is not UTF-8, so that raising it cannot overflow for any key S3 can hold.
        group[^1]++;
        int position = store.LowerBound(group);
        group[^1]--;
        return position;
    }

    private static void WriteObject(in StoredObject item, ReadOnlySpan<byte> key, bool encode, ByteWriter contents)
    {
        AddKey(contents.Add("<Contents><Key>"u8), key, encode)
            .Add("</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;"u8).AddHex(item.ETag)
            .Add("&quot;</ETag><Size>"u8).Add(item.Size).Add("</Size><StorageClass>STANDARD</StorageClass></Contents>"u8);
    }

    private static ByteWriter AddKey(ByteWriter output, ReadOnlySpan<byte> key, bool encode) =>
        encode ? output.AddUrlEncoded(key) : output.AddXml(key);

    private readonly ref struct Page(
        ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> delimiter, ReadOnlySpan<byte> after, bool skipGroup, int limit, bool isV2, bool encode)
    {
        internal readonly ReadOnlySpan<byte> Prefix = prefix, Delimiter = delimiter, After = after;
        internal readonly bool SkipGroup = skipGroup, IsV2 = isV2, Encode = encode;
        internal readonly int Limit = limit;
    }
}
