using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace DataLayer.TestKit.S3;

/// <summary>
/// An S3 server in this process, over raw sockets: one bucket in memory, GET, ListObjectsV2, ListObjectVersions and
/// GetBucketVersioning, signatures really verified, and any fault in any answer. It serves what a well-behaved server
/// does until <see cref="OnCall"/> says otherwise.
/// </summary>
public sealed class FaultyS3Server : IS3Server
{
    readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    readonly CancellationTokenSource _stop = new();
    readonly ConcurrentDictionary<Socket, bool> _connections = new();
    readonly ConcurrentQueue<S3Call> _calls = new();
    readonly ConcurrentDictionary<(S3CallKind, string), int> _numbers = new();
    readonly int[] _counts = new int[Enum.GetValues<S3CallKind>().Length];
    readonly Task _accepting;
    readonly IPAddress _address;
    int _received;
    int _refused;

    public FaultyS3Server() : this(IPAddress.Loopback)
    {
    }

    /// <param name="address">Where it listens, on a port of its own.</param>
    public FaultyS3Server(IPAddress address)
    {
        _address = address;
        _listener.Bind(new IPEndPoint(address, 0));
        _listener.Listen(1024);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = Task.Run(AcceptAsync);
    }

    public int Port { get; }
    public string Endpoint => $"{(Certificate is null ? "http" : "https")}://{_address}:{Port}";

    /// <summary>Speak TLS with this certificate.</summary>
    public X509Certificate2? Certificate { get; init; }

    public string Bucket { get; init; } = "test-bucket";
    public string Region { get; init; } = "us-east-1";
    public string AccessKey { get; set; } = "TESTACCESSKEY";
    public string SecretKey { get; set; } = "test-secret-key";

    /// <summary>When set, requests must carry it.</summary>
    public string? SessionToken { get; set; }

    /// <summary>Requests without a signature are served.</summary>
    public bool AllowAnonymous { get; set; }

    /// <summary>"Enabled", "Suspended", or null.</summary>
    public string? Versioning { get; set; }

    /// <summary>Keys per page at most.</summary>
    public int PageLimit { get; set; } = 1000;

    /// <summary>Serve listings in the form without encoding-type=url, as some servers do.</summary>
    public bool IgnoreEncodingType { get; set; }

    /// <summary>Serve the first page whatever start-after says; continuation tokens work.</summary>
    public bool IgnoreStartAfter { get; set; }

    /// <summary>The server's clock minus the true one.</summary>
    public TimeSpan ClockOffset { get; set; }

    /// <summary>Called for every request before it is answered, on the connection's thread. Null: no fault.</summary>
    public Func<S3Call, S3Fault?>? OnCall { get; set; }

    /// <summary>Keep a record of every request (<see cref="Calls"/>); switched off for benchmarks.</summary>
    public bool Record { get; set; } = true;

    public IReadOnlyCollection<S3Call> Calls => _calls;

    public S3Counts Counts => new(_counts[0], _counts[1], _counts[2], _counts[3], _counts[4], _counts[5], _refused);

    /// <summary>The most requests ever under way at once.</summary>
    public int PeakConcurrency => _peak;

    int _peak;
    int _underWay;

    internal S3Objects Objects { get; } = new();

    public void Put(string key, byte[] body, string? etag = null, params string[] headers) => Put(Encoding.UTF8.GetBytes(key), body, etag, headers);

    /// <param name="etag">Without quotes; null for the MD5.</param>
    /// <param name="headers">Lines to send with the body.</param>
    public void Put(byte[] key, byte[] body, string? etag = null, params string[] headers) =>
        Objects.Put(key, body, etag, headers, Versioning == "Enabled", deleteMarker: false);

    /// <summary>In a versioned bucket: a delete marker. Else the object is gone.</summary>
    public void Delete(string key)
    {
        if (Versioning == "Enabled") Objects.Put(Encoding.UTF8.GetBytes(key), [], "", [], versioned: true, deleteMarker: true);
        else Objects.Remove(Encoding.UTF8.GetBytes(key));
    }

    public void ResetCounts()
    {
        Array.Clear(_counts);
        _refused = _peak = 0;
        _calls.Clear();
        _numbers.Clear();
    }

    async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            socket.NoDelay = true;
            _connections[socket] = true;
            _ = Task.Run(() => ServeAsync(socket));
        }
    }

    async Task ServeAsync(Socket socket)
    {
        using S3Connection connection = new(this, socket);
        try
        {
            await connection.OpenAsync(_stop.Token);
            while (await connection.ServeOneAsync(_stop.Token))
            {
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException or IOException or AuthenticationException)
        {
            // The client went away, or the server stops.
        }
        finally
        {
            _connections.TryRemove(socket, out _);
        }
    }

    internal (S3Call Call, S3Fault? Fault) Receive(string method, string target, Dictionary<string, string> headers, byte[] body)
    {
        string[] parts = target.Split('?', 2);
        Dictionary<string, string> query = parts.Length < 2 ? [] : parts[1].Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=', 2))
            .ToDictionary(p => p[0], p => p.Length > 1 ? Encoding.UTF8.GetString(SigV4Check.Decode(p[1])) : "");
        byte[]? key = KeyOf(parts[0], headers.GetValueOrDefault("host") ?? "");
        S3CallKind kind = key is null ? S3CallKind.Other
            : method == "HEAD" ? S3CallKind.Head
            : method != "GET" ? S3CallKind.Other
            : key.Length > 0 ? S3CallKind.Get
            : query.ContainsKey("versioning") ? S3CallKind.Versioning
            : query.ContainsKey("versions") ? S3CallKind.ListVersions
            : query.ContainsKey("list-type") ? S3CallKind.List
            : S3CallKind.Other;
        Interlocked.Increment(ref _counts[(int)kind]);
        S3Call call = new()
        {
            Number = Interlocked.Increment(ref _received),
            NumberOfKind = !Record ? 0 : _numbers.AddOrUpdate((kind, kind == S3CallKind.Get ? Convert.ToHexString(key!) : ""), 1, (_, n) => n + 1),
            Kind = kind,
            Method = method,
            Target = target,
            KeyBytes = key ?? [],
            Query = query,
            Headers = headers,
            Body = body,
        };
        if (Record) _calls.Enqueue(call);
        return (call, OnCall?.Invoke(call));
    }

    /// <returns>The key (empty for the bucket), or null when the path is not in the bucket.</returns>
    byte[]? KeyOf(string path, string host)
    {
        byte[] decoded = SigV4Check.Decode(path);
        if (host.StartsWith(Bucket + ".", StringComparison.Ordinal)) return decoded[1..];
        byte[] bucket = Encoding.UTF8.GetBytes("/" + Bucket);
        if (!decoded.AsSpan().StartsWith(bucket)) return null;
        if (decoded.Length == bucket.Length) return [];
        return decoded[bucket.Length] == '/' ? decoded[(bucket.Length + 1)..] : null;
    }

    internal string? Refusal(S3Call call)
    {
        if (AllowAnonymous && !call.Headers.ContainsKey("authorization")) return null;
        string? code = SigV4Check.Verify(call, AccessKey, SecretKey, SessionToken, Region, DateTime.UtcNow + ClockOffset);
        if (code is not null) Interlocked.Increment(ref _refused);
        return code;
    }

    internal void Enter()
    {
        int now = Interlocked.Increment(ref _underWay);
        int peak;
        while (now > (peak = _peak) && Interlocked.CompareExchange(ref _peak, now, peak) != peak)
        {
        }
    }

    internal void Leave() => Interlocked.Decrement(ref _underWay);

    /// <summary>Closes every connection; new ones are accepted.</summary>
    public void DropConnections()
    {
        foreach (Socket socket in _connections.Keys)
        {
            try
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
            }
            catch (ObjectDisposedException)
            {
                // Its own loop closed it just now.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        DropConnections();
    }
}
