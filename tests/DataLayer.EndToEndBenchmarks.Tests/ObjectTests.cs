using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Server;
using Xunit;

namespace DataLayer.EndToEndBenchmarks.Tests;

public sealed class ObjectTests : IDisposable
{
    private const string Key = "/bench/some/class-0001/sample-0000007.bin";
    private readonly ScratchFolder _folder = new();
    private readonly Dataset _dataset;
    private readonly byte[] _file;

    public ObjectTests()
    {
        _dataset = Dataset.Open(new DatasetSpec("some", 10, 2, 300_000, 300_000, 300_000), _folder.Path);
        _file = new byte[300_000];
        Content.Fill(_file, Dataset.SeedOf(7), 0);
    }

    [Theory]
    [InlineData(null, 200, 0, 300_000)]
    [InlineData("bytes=0-0", 206, 0, 1)]
    [InlineData("bytes=100-40099", 206, 100, 40_000)]
    [InlineData("bytes=299999-", 206, 299_999, 1)]
    [InlineData("bytes=1000-999999999", 206, 1000, 299_000)]
    [InlineData("bytes=-5", 206, 299_995, 5)]
    [InlineData("bytes=-400000", 206, 0, 300_000)]
    [InlineData("bytes=300000-", 416, 0, 0)]
    [InlineData("bytes=-0", 416, 0, 0)]
    [InlineData("bytes=9-3", 200, 0, 300_000)]
    [InlineData("bytes=0-1,5-6", 200, 0, 300_000)]
    [InlineData("lines=0-1", 200, 0, 300_000)]
    [InlineData("bytes=x-1", 200, 0, 300_000)]
    public async Task Ranges_are_answered_as_the_standard_says(string? range, int status, int offset, int length)
    {
        using var server = new RunningServer([_dataset]);
        using var request = new HttpRequestMessage(HttpMethod.Get, Key);
        if (range is not null) request.Headers.TryAddWithoutValidation("Range", range);
        using HttpResponseMessage answer = await server.Client.SendAsync(request);
        Assert.Equal(status, (int)answer.StatusCode);
        if (status == 416) return;
        Assert.Equal(_file[offset..(offset + length)], await answer.Content.ReadAsByteArrayAsync());
        Assert.Equal(status == 206 ? new ContentRangeHeaderValue(offset, offset + length - 1, 300_000) : null, answer.Content.Headers.ContentRange);
    }

    [Fact]
    public async Task Etag_is_the_md5_and_conditions_are_kept()
    {
        using var server = new RunningServer([_dataset]);
        string etag = "\"" + Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(_file)) + "\"";
        async Task<(HttpStatusCode, string?)> Ask(string header, string value)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Key);
            request.Headers.TryAddWithoutValidation(header, value);
            using HttpResponseMessage answer = await server.Client.SendAsync(request);
            return (answer.StatusCode, answer.Headers.ETag?.Tag);
        }

        Assert.Equal((HttpStatusCode.OK, etag), await Ask("If-Match", etag));
        Assert.Equal((HttpStatusCode.OK, etag), await Ask("If-Match", "\"other\", " + etag));
        Assert.Equal((HttpStatusCode.OK, etag), await Ask("If-Match", "*"));
        Assert.Equal((HttpStatusCode.PreconditionFailed, null), await Ask("If-Match", "\"other\""));
        Assert.Equal((HttpStatusCode.NotModified, etag), await Ask("If-None-Match", etag));
        Assert.Equal((HttpStatusCode.OK, etag), await Ask("If-None-Match", "\"other\""));
    }

    [Fact]
    public async Task Head_tells_the_size_and_sends_nothing()
    {
        using var server = new RunningServer([_dataset]);
        using var request = new HttpRequestMessage(HttpMethod.Head, Key);
        using HttpResponseMessage answer = await server.Client.SendAsync(request);
        Assert.Equal(300_000, answer.Content.Headers.ContentLength);
        Assert.Empty(await answer.Content.ReadAsByteArrayAsync());
        // The connection is still good for the next request.
        Assert.Equal(_file, await server.Client.GetByteArrayAsync(Key));
    }

    [Theory]
    [InlineData("GET", "/bench/some/none", 404, "NoSuchKey")]
    [InlineData("GET", "/other/some", 404, "NoSuchBucket")]
    [InlineData("PUT", Key, 405, "MethodNotAllowed")]
    [InlineData("DELETE", Key, 405, "MethodNotAllowed")]
    public async Task Errors_have_their_code(string method, string path, int status, string code)
    {
        using var server = new RunningServer([_dataset]);
        using HttpResponseMessage answer = await server.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains($"<Code>{code}</Code>", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(1, (await server.Counters()).Failed);
    }

    [Fact]
    public async Task Requests_are_counted_by_kind()
    {
        using var server = new RunningServer([_dataset]);
        await server.Client.GetByteArrayAsync(Key);
        await server.Client.GetByteArrayAsync(Key);
        await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, Key));
        await server.Client.GetStringAsync("/bench?list-type=2");
        await server.Client.GetStringAsync("/bench/?prefix=some/");
        await server.Client.GetStringAsync("/bench?location");
        RequestCounters counters = await server.Counters();
        Assert.Equal((2, 1, 2, 1, 0, 600_000), (counters.Get, counters.Head, counters.List, counters.Other, counters.Failed, counters.BodyBytes));
        Assert.Equal(1, counters.Connections);
    }

    [Fact]
    public async Task Requests_in_pieces_and_requests_sent_ahead_are_answered_in_order()
    {
        using var server = new RunningServer([_dataset], latencyMilliseconds: 5);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Port);
        NetworkStream stream = client.GetStream();
        foreach (byte one in Encoding.ASCII.GetBytes($"GET {Key} HTTP/1.1\r\nRange: bytes=0-3\r\n\r\n"))
        {
            stream.WriteByte(one);
            await stream.FlushAsync();
        }

        Assert.Equal(_file[..4], await ReadAnswer(stream, 4));
        string ahead = string.Concat(Enumerable.Range(1, 20).Select(i => $"GET {Key} HTTP/1.1\r\nRange: bytes={i * 1000}-{(i * 1000) + 49_999}\r\n\r\n"));
        await stream.WriteAsync(Encoding.ASCII.GetBytes(ahead));
        for (int i = 1; i <= 20; i++) Assert.Equal(_file[(i * 1000)..((i * 1000) + 50_000)], await ReadAnswer(stream, 50_000));
    }

    [Fact]
    public async Task A_client_that_reads_late_gets_every_byte_and_holds_up_no_one()
    {
        using var server = new RunningServer([_dataset]);
        using var client = new TcpClient { ReceiveBufferSize = 8192 };
        await client.ConnectAsync(IPAddress.Loopback, server.Port);
        NetworkStream stream = client.GetStream();
        for (int i = 0; i < 40; i++) await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET {Key} HTTP/1.1\r\n\r\n"));
        Assert.Equal(_file, await server.Client.GetByteArrayAsync(Key));
        for (int i = 0; i < 40; i++) Assert.Equal(_file, await ReadAnswer(stream, _file.Length));
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_middle_disturbs_no_one()
    {
        using var server = new RunningServer([_dataset], latencyMilliseconds: 2);
        for (int i = 0; i < 20; i++)
        {
            using var client = new TcpClient { LingerState = new LingerOption(i % 2 == 0, 0) };
            await client.ConnectAsync(IPAddress.Loopback, server.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {Key} HTTP/1.1\r\n\r\n"));
            if (i % 3 == 0) client.GetStream().ReadByte();
        }

        Assert.Equal(_file, await server.Client.GetByteArrayAsync(Key));
    }

    [Fact]
    public async Task A_request_head_without_end_is_cut_off()
    {
        using var server = new RunningServer([_dataset]);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Port);
        NetworkStream stream = client.GetStream();
        int read = -1;
        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes("GET /" + new string('a', 40_000)));
            read = await stream.ReadAsync(new byte[100]);
        }
        catch (IOException)
        {
            // A reset, since the rest of what was sent lay unread.
            read = 0;
        }

        Assert.Equal(0, read);
        Assert.Equal(_file, await server.Client.GetByteArrayAsync(Key));
    }

    [Fact]
    public async Task No_answer_comes_before_the_latency_has_passed()
    {
        using var server = new RunningServer([_dataset], latencyMilliseconds: 60);
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.Client.GetByteArrayAsync(Key)));
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(60));
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 3; i++) await server.Client.GetStringAsync("/bench?list-type=2");
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(180));
    }

    [Fact]
    public async Task All_connections_together_stay_below_the_cap()
    {
        // 3 MB at 10 MB/s, of which the bucket's depth may come at once.
        using var server = new RunningServer([_dataset], bytesPerSecond: 10_000_000);
        long start = Stopwatch.GetTimestamp();
        byte[][] files = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => server.Client.GetByteArrayAsync(Key)));
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(250));
        Assert.All(files, file => Assert.Equal(_file, file));
    }

    public void Dispose()
    {
        _dataset.Dispose();
        _folder.Dispose();
    }

    private static async Task<byte[]> ReadAnswer(NetworkStream stream, int length)
    {
        var head = new StringBuilder();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            int next = stream.ReadByte();
            Assert.True(next >= 0, $"the answer ended within its head: {head}");
            head.Append((char)next);
        }

        Assert.StartsWith("HTTP/1.1 20", head.ToString(), StringComparison.Ordinal);
        byte[] body = new byte[length];
        await stream.ReadExactlyAsync(body);
        return body;
    }
}
