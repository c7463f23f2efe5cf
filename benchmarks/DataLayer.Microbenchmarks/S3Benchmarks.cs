using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using BenchmarkDotNet.Attributes;
using DataLayer.Formats;
using DataLayer.Sources;
using DataLayer.Sources.S3;

namespace DataLayer.Microbenchmarks;

/// <summary>
/// What one GET costs beside the network: against a server in this process that answers every request with the same
/// bytes and allocates nothing, so that the allocation column is the client's. The time includes the server and two
/// wake-ups; compare with <see cref="PlainHttpClient"/>, which checks and signs nothing.
/// </summary>
[MemoryDiagnoser]
public class S3GetBenchmarks
{
    CannedServer _server = null!;
    S3Source _source = null!;
    HttpClient _http = null!;
    SourceFile _file;
    byte[] _destination = null!;

    [Params(4096, 112 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        byte[] body = new byte[Size];
        new Random(1).NextBytes(body);
        string md5 = Convert.ToHexStringLower(MD5.HashData(body));
        _server = new CannedServer([.. Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nETag: \"{md5}\"\r\nContent-Length: {Size}\r\n\r\n"), .. body]);
        S3Source Open(bool verify) => S3Source.Open(SourceUri.Parse("s3://bucket/data"), new SourceOptions { Endpoint = _server.Endpoint, VerifyBodies = verify },
            name => name is "AWS_ACCESS_KEY_ID" or "AWS_SECRET_ACCESS_KEY" ? "benchmark" : null);
        _source = Open(Verify);
        _http = new HttpClient();
        _file = new SourceFile("some/directory/file-000001.jpg"u8.ToArray(), Size, new ObjectVersion(md5, null).ToTag());
        _destination = new byte[Size];
    }

    [GlobalCleanup]
    public async Task Cleanup()
    {
        await _source.DisposeAsync();
        _http.Dispose();
        _server.Dispose();
    }

    [Params(true, false)]
    public bool Verify { get; set; }

    [Benchmark]
    public ValueTask Source() => _source.ReadAsync(_file, 0, _destination, CancellationToken.None);

    [Benchmark(Baseline = true)]
    public async Task PlainHttpClient()
    {
        using HttpResponseMessage answer = await _http.GetAsync(_server.Endpoint + "/bucket/data/some/directory/file-000001.jpg", HttpCompletionOption.ResponseHeadersRead);
        using Stream body = await answer.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(_destination);
    }
}

/// <summary>The parts of a GET and of a listing that are processor time only.</summary>
[MemoryDiagnoser]
public class S3PartsBenchmarks
{
    readonly SigV4Signer _signer = new("us-east-1");
    readonly AccessKeys _keys = new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", null);
    readonly byte[][] _bodies = [.. Enumerable.Range(0, 8).Select(i => RandomNumberGenerator.GetBytes(112 * 1024 + i))];
    byte[] _page = null!;

    [GlobalSetup]
    public void Setup()
    {
        StringBuilder xml = new("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>");
        for (int i = 0; i < 1000; i++)
            xml.Append($"<Contents><Key>train/directory-{i / 100:d4}/file-{i:d8}.jpg</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>123456</Size><StorageClass>STANDARD</StorageClass></Contents>");
        _page = Encoding.UTF8.GetBytes(xml.Append("</ListBucketResult>").ToString());
    }

    [Benchmark]
    public string Sign() => _signer.Authorize(_keys, "bucket.s3.us-east-1.amazonaws.com", "/data/some/directory/file-000001.jpg", "", "20240101T000000Z", askChecksum: true);

    [Benchmark]
    public object ParsePageOf1000Keys() => ListPage.Parse(_page, _page.Length);

    [Benchmark]
    public ulong Crc64Of112KiB() => Crc64.Nvme.Compute(_bodies[0]);

    [Benchmark]
    public int Md5Of112KiB() => MD5.HashData(_bodies[0]).Length;

    [Benchmark(OperationsPerInvoke = 8)]
    public void Md5Of112KiBInLanes()
    {
        int next = 0;
        Md5Lanes.Run(() => next < _bodies.Length ? new Unread(_bodies[next++]) : null);
    }

    sealed class Unread(byte[] body) : Md5Job(body)
    {
        public override void Finish(ReadOnlySpan<byte> md5)
        {
        }
    }
}

/// <summary>Answers every request of every connection with the same bytes. Allocates only when a connection comes.</summary>
internal sealed class CannedServer : IDisposable
{
    readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    readonly byte[] _answer;

    public CannedServer(byte[] answer)
    {
        _answer = answer;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Endpoint = $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}";
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public string Endpoint { get; }

    void Accept()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = _listener.Accept();
            }
            catch (SocketException)
            {
                return; // disposed
            }
            socket.NoDelay = true;
            new Thread(() => Serve(socket)) { IsBackground = true }.Start();
        }
    }

    void Serve(Socket socket)
    {
        byte[] request = new byte[16 * 1024];
        int filled = 0;
        try
        {
            while (true)
            {
                int read = socket.Receive(request, filled, request.Length - filled, SocketFlags.None);
                if (read == 0) return;
                filled += read;
                if (!request.AsSpan(0, filled).EndsWith("\r\n\r\n"u8)) continue;
                filled = 0;
                for (int sent = 0; sent < _answer.Length;) sent += socket.Send(_answer, sent, _answer.Length - sent, SocketFlags.None);
            }
        }
        catch (SocketException)
        {
            // The client is gone.
        }
        finally
        {
            socket.Dispose();
        }
    }

    public void Dispose() => _listener.Dispose();
}
