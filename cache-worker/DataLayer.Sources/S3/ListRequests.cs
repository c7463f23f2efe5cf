using System.Buffers;
using System.Net;
using System.Text;
using System.Xml;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>The requests a listing consists of. Keys in and out are whole, with the source's prefix.</summary>
internal sealed class ListRequests(S3Client client)
{
    /// <summary>1000 keys of 1024 bytes, percent-encoded threefold, with their tags: 4 MB. No honest page is larger.</summary>
    const int PageLimit = 16 << 20;

    /// <summary>ListObjectsV2 when false, ListObjectVersions when true.</summary>
    public bool Versions { get; set; }

    /// <summary>
    /// True when objects of the bucket have version ids (versioning enabled or suspended). Servers without versioning
    /// answer this with 400, 403, 404 or 501, or with something else entirely.
    /// </summary>
    public async Task<bool> IsVersionedAsync(CancellationToken cancellation)
    {
        byte[]? body = await GetAsync("versioning=", static (body, length) => body.AsSpan(0, length).ToArray(), optional: true, cancellation);
        if (body is null) return false;
        try
        {
            using XmlReader xml = S3Xml.Read(body);
            xml.MoveToContent();
            if (xml.LocalName != "VersioningConfiguration") return false;
            while (xml.Read())
                if (xml.NodeType == XmlNodeType.Element && xml.LocalName == "Status") return xml.ReadElementContentAsString() is "Enabled" or "Suspended";
            return false;
        }
        catch (XmlException)
        {
            return false;
        }
    }

    /// <summary>One page of what stands below a prefix.</summary>
    /// <param name="startAfter">Exclusive; null for the beginning.</param>
    /// <param name="token">Goes on by the server's token instead.</param>
    /// <param name="byDirectory">Group by '/' below the prefix.</param>
    public async Task<ListPage> GetPageAsync(ReadOnlyMemory<byte> prefix, byte[]? startAfter, string? token, bool byDirectory, CancellationToken cancellation)
    {
        // Signatures want the names sorted; each form's own order is that.
        StringBuilder query = new(256);
        if (token is not null && !Versions)
        {
            query.Append("continuation-token=");
            UriEncoding.AppendQuery(query, Encoding.UTF8.GetBytes(token));
            query.Append('&');
        }
        if (byDirectory) query.Append("delimiter=%2F&");
        query.Append("encoding-type=url&");
        if (Versions && startAfter is not null)
        {
            query.Append("key-marker=");
            UriEncoding.AppendQuery(query, startAfter);
            query.Append('&');
        }
        if (!Versions) query.Append("list-type=2&");
        query.Append("max-keys=1000&prefix=");
        UriEncoding.AppendQuery(query, prefix.Span);
        if (!Versions && startAfter is not null && token is null)
        {
            query.Append("&start-after=");
            UriEncoding.AppendQuery(query, startAfter);
        }
        if (Versions) query.Append("&versions=");
        return (await GetAsync(query.ToString(), ListPage.Parse, optional: false, cancellation))!;
    }

    /// <summary>Fetches a document about the bucket and parses it; one that does not parse is fetched again.</summary>
    /// <param name="optional">A refusal gives null.</param>
    async Task<T?> GetAsync<T>(string query, Func<byte[], int, T> parse, bool optional, CancellationToken cancellation) where T : class
    {
        S3Request request = new(client.Location.PathBase, query);
        using RequestAttempts attempts = new(client, () => S3Source.Name(client.Location, []), cancellation);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(512 * 1024);
        try
        {
            while (true)
            {
                try
                {
                    using HttpResponseMessage answer = await attempts.SendAsync(request);
                    try
                    {
                        if (answer.StatusCode != HttpStatusCode.OK)
                        {
                            if (optional && (int)answer.StatusCode is 400 or 403 or 404 or 405 or 501) return null;
                            await attempts.AfterRefusalAsync(answer, isObject: false);
                            continue;
                        }
                        int length = 0;
                        using Stream body = await answer.Content.ReadAsStreamAsync(attempts.Token);
                        while (true)
                        {
                            if (length == buffer.Length && !TryGrow(ref buffer))
                                throw new SourceException(SourceFault.Unavailable, $"{client.Location.Host} answers a listing of more than {PageLimit >> 20} MiB per page; is it an S3 endpoint?");
                            int read = await body.ReadAsync(buffer.AsMemory(length), attempts.Token);
                            if (read == 0) break;
                            length += read;
                        }
                        try
                        {
                            return parse(buffer, length);
                        }
                        catch (XmlException e)
                        {
                            attempts.AfterNonsense($"a listing that is not one ({e.Message})");
                        }
                    }
                    finally
                    {
                        client.ReleaseSlot();
                    }
                }
                catch (Exception e) when (attempts.IsConnectionFault(e))
                {
                    attempts.AfterConnectionFault(e);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static bool TryGrow(ref byte[] buffer)
    {
        if (buffer.Length >= PageLimit) return false;
        byte[] larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
        return true;
    }
}
