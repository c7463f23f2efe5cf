using System.Net;
using System.Net.Http.Headers;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>
/// One read of a range of one object version into the caller's memory. A whole object is asked for without Range (some
/// servers check and checksum only then). A body that breaks off is continued where it stopped: the ETag of every answer
/// is compared, so that the pieces are of one version.
/// </summary>
internal sealed class ObjectRead(S3Client client, BodyCheck check, SourceFile file, long offset, Memory<byte> destination)
{
    readonly bool _whole = offset == 0 && destination.Length == file.Size;
    int _got;
    BodyDigest _expected;

    public async ValueTask RunAsync(CancellationToken cancellation)
    {
        if (!ObjectVersion.TryParse(file.VersionTag, out ObjectVersion version))
            throw new SourceException(SourceFault.Misconfigured, $"{Name()}: the snapshot was not made from an object store; make a new one.");
        StringBuilder path = new(client.Location.PathBase, 256);
        UriEncoding.AppendPath(path, client.Location.Prefix);
        UriEncoding.AppendPath(path, file.Key);
        string pathText = path.ToString();
        string query = version.VersionId is null ? "" : "versionId=" + Uri.EscapeDataString(version.VersionId);

        using RequestAttempts attempts = new(client, Name, cancellation);
        byte[]? disputed = null;
        while (true)
        {
            bool fromStart = _whole && _got == 0;
            S3Request request = fromStart
                ? new S3Request(pathText, query, version.ETag, AskChecksum: check.IsOn)
                : new S3Request(pathText, query, version.ETag, offset + _got, offset + destination.Length - 1);
            try
            {
                using HttpResponseMessage answer = await attempts.SendAsync(request);
                try
                {
                    if (!await ReceiveAsync(answer, attempts, version, fromStart)) continue;
                }
                finally
                {
                    client.ReleaseSlot();
                }
            }
            catch (Exception e) when (attempts.IsConnectionFault(e))
            {
                attempts.AfterConnectionFault(e);
                continue;
            }

            if (!_whole) return;
            switch (check.Judge(_expected, destination.Span, ref disputed))
            {
                case BodyVerdict.Good:
                    return;
                case BodyVerdict.Unproven:
                    // The ETag looks like an MD5 and is another. Either the body is damaged or the ETag is none.
                    _got = 0;
                    break;
                case BodyVerdict.Damaged:
                    _got = 0;
                    attempts.AfterNonsense("the body does not match its checksum");
                    break;
            }
        }
    }

    /// <returns>True when the destination is full; false to send the next attempt.</returns>
    async ValueTask<bool> ReceiveAsync(HttpResponseMessage answer, RequestAttempts attempts, ObjectVersion version, bool fromStart)
    {
        int wanted = destination.Length - _got;
        if (answer.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.PartialContent))
        {
            await attempts.AfterRefusalAsync(answer, isObject: true);
            return false;
        }

        string? etag = answer.Headers.NonValidated.TryGetValues("ETag", out HeaderStringValues values) ? values.ToString() : null;
        if (etag is null)
        {
            attempts.AfterNonsense("an answer without an ETag, so that its version cannot be told");
            return false;
        }
        if (!ObjectVersion.SameETag(ObjectVersion.Unquote(etag), version.ETag))
        {
            attempts.AfterChanged();
            return false;
        }

        if (DescribeWrongFraming(answer, fromStart, wanted) is { } wrong)
        {
            attempts.AfterNonsense(wrong);
            return false;
        }
        if (fromStart) _expected = BodyDigest.Of(answer, version.ETag);

        using Stream body = await answer.Content.ReadAsStreamAsync(attempts.Token);
        while (_got < destination.Length)
        {
            int read = await body.ReadAsync(destination[_got..], attempts.Token);
            if (read == 0)
            {
                attempts.AfterNonsense($"the body ended {destination.Length - _got} bytes early");
                return false;
            }
            _got += read;
            attempts.Progressed(read);
        }
        // Without a length the framing itself must end here, or the object is larger than it was.
        if (answer.Content.Headers.ContentLength is null && await body.ReadAsync(new byte[1], attempts.Token) != 0)
        {
            _got = 0;
            attempts.AfterNonsense("the body is longer than the object");
            return false;
        }
        return true;
    }

    /// <returns>Null when status, length and range are those asked for.</returns>
    string? DescribeWrongFraming(HttpResponseMessage answer, bool fromStart, int wanted)
    {
        if (fromStart != (answer.StatusCode == HttpStatusCode.OK))
            return fromStart ? "a part of the object where all of it was asked for" : "the server ignores Range";
        if (answer.Content.Headers.ContentLength is { } length && length != wanted)
            return $"a Content-Length of {length} where {wanted} bytes were asked for";
        if (fromStart) return null;
        ContentRangeHeaderValue? range = answer.Content.Headers.ContentRange;
        if (range is null || range.From != offset + _got || range.To != offset + destination.Length - 1 || (range.Length ?? file.Size) != file.Size)
            return $"a Content-Range '{range}' where bytes {offset + _got}-{offset + destination.Length - 1}/{file.Size} were asked for";
        return null;
    }

    string Name() => S3Source.Name(client.Location, file.Key);
}
