using System.Runtime.InteropServices;
using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>
/// Turns one parsed request into a response: the status and headers, and any text, in a writer; an object's bytes by
/// reference. Path-style addresses, one bucket, read-only; signatures are not looked at.
/// </summary>
internal sealed class Responder(ObjectStore store, string bucket)
{
    // S3's limit for keys.
    internal const int MaxKeyBytes = 1024;
    // Objects of a run are all of one age: nothing measured depends on it.
    private static ReadOnlySpan<byte> LastModified => "Mon, 01 Jan 2024 00:00:00 GMT"u8;
    private readonly byte[] _bucket = System.Text.Encoding.UTF8.GetBytes(bucket);
    private readonly ByteWriter _text = new();
    private RequestCounters _counters;

    internal ref RequestCounters Counters => ref _counters;

    /// <summary>Answers; <paramref name="body"/> is what of an object follows the head (length 0: nothing).</summary>
    internal void Answer(scoped in HttpRequest request, ByteWriter head, out StoredObject body, out long from, out long length)
    {
        body = default;
        from = length = 0;
        bool isHead = request.Method.SequenceEqual("HEAD"u8);
        if (!isHead && !request.Method.SequenceEqual("GET"u8))
        {
            _counters.Other++;
            Fail(head, "405 Method Not Allowed"u8, "MethodNotAllowed"u8, isHead: false);
            return;
        }

        Span<byte> path = stackalloc byte[MaxKeyBytes + 256];
        int pathLength = HttpRequest.Decode(request.Path, path, isQuery: false);
        if (pathLength < 1 || path[0] != '/')
        {
            _counters.Other++;
            Fail(head, "400 Bad Request"u8, "InvalidURI"u8, isHead);
            return;
        }

        path = path[1..pathLength];
        int slash = path.IndexOf((byte)'/');
        ReadOnlySpan<byte> key = slash < 0 ? default : path[(slash + 1)..];
        if (!(slash < 0 ? path : path[..slash]).SequenceEqual(_bucket))
        {
            _counters.Other++;
            Fail(head, "404 Not Found"u8, "NoSuchBucket"u8, isHead);
        }
        else if (key.Length > 0)
        {
            AnswerObject(request, isHead, key, head, out body, out from, out length);
        }
        else if (isHead)
        {
            _counters.Head++;
            head.Add("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-amz-bucket-region: us-east-1\r\n\r\n"u8);
        }
        else
        {
            AnswerBucket(request, head);
        }
    }

    private void AnswerObject(
        scoped in HttpRequest request, bool isHead, scoped ReadOnlySpan<byte> key, ByteWriter head,
        out StoredObject body, out long from, out long length)
    {
        if (isHead) _counters.Head++;
        else _counters.Get++;
        body = default;
        from = length = 0;
        int position = store.Find(key);
        if (position < 0)
        {
            Fail(head, "404 Not Found"u8, "NoSuchKey"u8, isHead);
            return;
        }

        StoredObject found = store[position];
        if (request.IfMatch.Length > 0 && !IsListed(request.IfMatch, found.ETag))
        {
            Fail(head, "412 Precondition Failed"u8, "PreconditionFailed"u8, isHead);
            return;
        }

        if (request.IfNoneMatch.Length > 0 && IsListed(request.IfNoneMatch, found.ETag))
        {
            head.Add("HTTP/1.1 304 Not Modified\r\nETag: \""u8).AddHex(found.ETag).Add("\"\r\n\r\n"u8);
            return;
        }

        int status = request.ResolveRange(found.Size, out from, out length);
        if (status == 416)
        {
            from = length = 0;
            Fail(head, "416 Range Not Satisfiable"u8, "InvalidRange"u8, isHead);
            return;
        }

        head.Add(status == 206 ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes "u8 : "HTTP/1.1 200 OK\r\n"u8);
        if (status == 206) head.Add(from).Add("-"u8).Add(from + length - 1).Add("/"u8).Add(found.Size).Add("\r\n"u8);
        head.Add("Content-Length: "u8).Add(length)
            .Add("\r\nETag: \""u8).AddHex(found.ETag)
            .Add("\"\r\nLast-Modified: "u8).Add(LastModified)
            .Add("\r\nAccept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\n\r\n"u8);
        body = found;
        if (isHead) length = 0;
    }

    private void AnswerBucket(scoped in HttpRequest request, ByteWriter head)
    {
        _text.Clear();
        if (request.TryQuery("location"u8, out _))
        {
            _counters.Other++;
            _text.Add("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"u8);
        }
        else if (request.TryQuery("versioning"u8, out _))
        {
            _counters.Other++;
            _text.Add("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"u8);
        }
        else
        {
            _counters.List++;
            if (!Listing.TryWrite(store, _bucket, request, _text))
            {
                Fail(head, "400 Bad Request"u8, "InvalidArgument"u8, isHead: false);
                return;
            }
        }

        head.Add("HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: "u8).Add(_text.Length)
            .Add("\r\n\r\n"u8).Add(_text.Written);
    }

    private void Fail(ByteWriter head, ReadOnlySpan<byte> status, ReadOnlySpan<byte> code, bool isHead)
    {
        _counters.Failed++;
        _text.Clear();
        _text.Add("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>"u8).Add(code).Add("</Code><Message>"u8).Add(status)
            .Add("</Message></Error>"u8);
        head.Add("HTTP/1.1 "u8).Add(status).Add("\r\nContent-Type: application/xml\r\nContent-Length: "u8).Add(_text.Length)
            .Add("\r\n\r\n"u8);
        if (!isHead) head.Add(_text.Written);
    }

    /// <summary>Whether a comma-separated list of entity tags, or "*", names this one.</summary>
    private static bool IsListed(ReadOnlySpan<byte> tags, Md5Digest etag)
    {
        if (tags.SequenceEqual("*"u8)) return true;
        Span<byte> hex = stackalloc byte[32];
        ReadOnlySpan<byte> digest = MemoryMarshal.AsBytes(new ReadOnlySpan<Md5Digest>(in etag));
        if (!Convert.TryToHexStringLower(digest, hex, out _)) return false;
        foreach (Range part in tags.Split((byte)','))
        {
            if (tags[part].Trim(" \t\""u8).SequenceEqual(hex)) return true;
        }

        return false;
    }
}
