using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace DataLayer.TestKit.S3;

/// <summary>One HTTP/1.1 connection of a <see cref="FaultyS3Server"/>.</summary>
internal sealed class S3Connection(FaultyS3Server server, Socket socket) : IDisposable
{
    byte[] _buffer = new byte[16 * 1024];
    int _filled;

    /// <returns>False when the connection ends.</returns>
    public async Task<bool> ServeOneAsync(CancellationToken stop)
    {
        int end;
        while ((end = _buffer.AsSpan(0, _filled).IndexOf("\r\n\r\n"u8)) < 0)
            if (!await FillAsync(stop)) return false;
        string[] lines = Encoding.Latin1.GetString(_buffer, 0, end).Split("\r\n");
        string[] first = lines[0].Split(' ');
        Dictionary<string, string> headers = lines[1..].Select(l => l.Split(':', 2)).ToDictionary(l => l[0].ToLowerInvariant(), l => l[1].Trim());
        int bodyLength = headers.TryGetValue("content-length", out string? text) ? int.Parse(text, CultureInfo.InvariantCulture) : 0;
        int total = end + 4 + bodyLength;
        while (_filled < total)
            if (!await FillAsync(stop)) return false;
        byte[] body = _buffer[(end + 4)..total];
        Buffer.BlockCopy(_buffer, total, _buffer, 0, _filled - total);
        _filled -= total;

        (S3Call call, S3Fault? fault) = server.Receive(first[0], first[1], headers, body);
        server.Enter();
        try
        {
            if (fault is not null)
            {
                if (fault.Delay > TimeSpan.Zero) await Task.Delay(fault.Delay, stop);
                if (fault.Until is not null) await fault.Until.WaitAsync(stop);
                if (fault.Drop) return Reset();
            }
            return await SendAsync(Answer(call, fault), fault, call.Method == "HEAD", stop);
        }
        finally
        {
            server.Leave();
        }
    }

    async Task<bool> FillAsync(CancellationToken stop)
    {
        if (_filled == _buffer.Length) Array.Resize(ref _buffer, _buffer.Length * 2);
        int read = await socket.ReceiveAsync(_buffer.AsMemory(_filled), stop);
        _filled += read;
        return read > 0;
    }

    sealed record Reply(int Status, byte[] Body, int From, int Length, List<string> Headers);

    Reply Answer(S3Call call, S3Fault? fault)
    {
        if (fault is { Body: { } replaced }) return new Reply(fault.Status == 0 ? 200 : fault.Status, replaced, 0, replaced.Length, [.. fault.Headers]);
        if (fault is { Status: > 0 }) return Error(fault.Status, fault.Code, fault.Headers);
        if (server.Refusal(call) is { } code) return Error(code == "AuthorizationHeaderMalformed" ? 400 : 403, code, []);
        return call.Kind switch
        {
            S3CallKind.Get or S3CallKind.Head => Object(call, fault),
            S3CallKind.List or S3CallKind.ListVersions => List(call, fault),
            S3CallKind.Versioning => Document($"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{(server.Versioning is { } s ? $"<Status>{s}</Status>" : "")}</VersioningConfiguration>", fault),
            _ => Error(404, "NoSuchBucket", []),
        };
    }

    Reply Object(S3Call call, S3Fault? fault)
    {
        S3Object? found = server.Objects.Find(call.KeyBytes, call.Query.GetValueOrDefault("versionId"));
        if (found is null) return Error(404, call.Query.ContainsKey("versionId") ? "NoSuchVersion" : "NoSuchKey", []);
        if (found.IsDeleteMarker) return Error(call.Query.ContainsKey("versionId") ? 405 : 404, call.Query.ContainsKey("versionId") ? "MethodNotAllowed" : "NoSuchKey", []);
        if (fault?.IgnoreIfMatch != true && call.Headers.TryGetValue("if-match", out string? match) && match.Trim('"') != found.ETag) return Error(412, "PreconditionFailed", []);

        List<string> headers = [$"Last-Modified: {found.Modified:R}", "Accept-Ranges: bytes", "Content-Type: binary/octet-stream", .. found.Headers, .. fault?.Headers ?? []];
        if (!call.Headers.ContainsKey("x-amz-checksum-mode")) headers.RemoveAll(h => h.StartsWith("x-amz-checksum-", StringComparison.OrdinalIgnoreCase));
        string etag = fault?.ETag ?? found.ETag;
        if (etag.Length > 0) headers.Add($"ETag: \"{etag}\"");
        if (found.VersionId != "null") headers.Add($"x-amz-version-id: {found.VersionId}");
        if (call.Range is not { } range || fault?.IgnoreRange == true) return new Reply(200, found.Body, 0, found.Body.Length, headers);

        headers.RemoveAll(h => h.StartsWith("x-amz-checksum-", StringComparison.OrdinalIgnoreCase));
        string[] bounds = range["bytes=".Length..].Split('-');
        long from = long.Parse(bounds[0], CultureInfo.InvariantCulture);
        long to = Math.Min(bounds[1].Length == 0 ? long.MaxValue : long.Parse(bounds[1], CultureInfo.InvariantCulture), found.Body.Length - 1);
        if (from > to) return Error(416, "InvalidRange", []);
        headers.Add($"Content-Range: bytes {from}-{to}/{found.Body.Length}");
        return new Reply(206, found.Body, (int)from, (int)(to - from + 1), headers);
    }

    Reply List(S3Call call, S3Fault? fault)
    {
        bool versions = call.Kind == S3CallKind.ListVersions;
        int maxKeys = Math.Min(server.PageLimit, call.Query.TryGetValue("max-keys", out string? max) ? int.Parse(max, CultureInfo.InvariantCulture) : 1000);
        byte[]? after = call.Query.TryGetValue("continuation-token", out string? token) ? Convert.FromHexString(token)
            : server.IgnoreStartAfter && !versions ? null
            : call.Query.TryGetValue(versions ? "key-marker" : "start-after", out string? start) ? Encoding.UTF8.GetBytes(start)
            : null;
        byte[] body = S3ListAnswer.Write(server.Objects, server.Bucket, Encoding.UTF8.GetBytes(call.Query.GetValueOrDefault("prefix") ?? ""), after,
            call.Query.GetValueOrDefault("delimiter"), maxKeys, call.Query.GetValueOrDefault("encoding-type") == "url" && !server.IgnoreEncodingType, versions);
        return new Reply(200, body, 0, body.Length, ["Content-Type: application/xml", .. fault?.Headers ?? []]);
    }

    static Reply Document(string xml, S3Fault? fault)
    {
        byte[] body = Encoding.UTF8.GetBytes("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + xml);
        return new Reply(200, body, 0, body.Length, ["Content-Type: application/xml", .. fault?.Headers ?? []]);
    }

    static Reply Error(int status, string code, IReadOnlyList<string> headers)
    {
        byte[] body = Encoding.UTF8.GetBytes($"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>as the test wants it</Message><RequestId>1</RequestId></Error>");
        return new Reply(status, body, 0, body.Length, ["Content-Type: application/xml", .. headers]);
    }

    async Task<bool> SendAsync(Reply reply, S3Fault? fault, bool headOnly, CancellationToken stop)
    {
        StringBuilder head = new(512);
        head.Append("HTTP/1.1 ").Append(reply.Status).Append(" Status\r\nDate: ").Append((DateTime.UtcNow + server.ClockOffset).ToString("R", CultureInfo.InvariantCulture)).Append("\r\n");
        head.Append("Content-Length: ").Append(fault?.ContentLength ?? reply.Length).Append("\r\n");
        foreach (string line in reply.Headers) head.Append(line).Append("\r\n");
        byte[] headBytes = Encoding.Latin1.GetBytes(head.Append("\r\n").ToString());
        ReadOnlyMemory<byte> body = headOnly ? default : reply.Body.AsMemory(reply.From, reply.Length);
        if (fault is { Corrupt: true } && body.Length > 0)
        {
            byte[] damaged = body.ToArray();
            damaged[Random.Shared.Next(damaged.Length)] ^= (byte)(1 << Random.Shared.Next(8));
            body = damaged;
        }

        if ((fault?.ResetAfter ?? fault?.CloseAfter ?? fault?.StallAfter) is { } limit) body = body[..(int)Math.Min(limit, body.Length)];
        if (fault?.Trickle is { } piece)
        {
            await SendAllAsync(headBytes, stop);
            for (; body.Length > 0; body = body[Math.Min(piece, body.Length)..])
            {
                await SendAllAsync(body[..Math.Min(piece, body.Length)], stop);
                await Task.Delay(100, stop);
            }
        }
        else
        {
            // One segment for small answers: a head sent alone would cost the client a second wake-up.
            if (body.Length <= 64 * 1024)
            {
                byte[] joined = [.. headBytes, .. body.Span];
                await SendAllAsync(joined, stop);
            }
            else
            {
                await SendAllAsync(headBytes, stop);
                await SendAllAsync(body, stop);
            }
        }
        if (fault?.ResetAfter is not null) return Reset();
        if (fault?.CloseAfter is not null) return false;
        if (fault?.StallAfter is not null) await Task.Delay(Timeout.Infinite, stop);
        return fault?.ContentLength is null;
    }

    async Task SendAllAsync(ReadOnlyMemory<byte> bytes, CancellationToken stop)
    {
        while (bytes.Length > 0) bytes = bytes[await socket.SendAsync(bytes, stop)..];
    }

    /// <summary>Bytes on their way may be lost by it, as in a real reset.</summary>
    bool Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        return false;
    }

    public void Dispose() => socket.Dispose();
}
