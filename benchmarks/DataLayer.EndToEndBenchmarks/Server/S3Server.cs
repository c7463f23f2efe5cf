using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>
/// A read-only S3 server for benchmarks: one thread, one epoll set, sendfile. It adds a latency to each request and caps
/// the bandwidth of all together by itself. A proxy in front of it would do the same at a higher price: every byte would
/// cross the loopback twice and be spliced twice, on two cores that also run what is measured.
/// </summary>
/// <remarks>GET /-/counters answers at once with <see cref="RequestCounters"/> and is not counted.</remarks>
internal sealed unsafe class S3Server : IDisposable
{
    // Between two looks at the descriptors, so that a busy link does not delay new requests by more than about a millisecond.
    private const int SendsPerTurn = 32;
    private readonly Responder _responder;
    private readonly TokenBucket _link;
    private readonly long _latency;
    private readonly Epoll _epoll = new();
    private readonly int _listener;
    private readonly int _wake;
    private readonly Queue<Connection> _delayed = new();
    private readonly Queue<Connection> _sendable = new();
    private Connection?[] _connections = new Connection?[64];
    private long _inFlight;
    private volatile bool _stopped;

    /// <param name="store">What it serves; stays the caller's.</param>
    /// <param name="port">On 127.0.0.1; 0 takes a free one.</param>
    /// <param name="latency">Added to each request.</param>
    /// <param name="bytesPerSecond">Cap on all responses together; 0 for none.</param>
    internal S3Server(ObjectStore store, string bucket, int port, TimeSpan latency, long bytesPerSecond)
    {
        _responder = new Responder(store, bucket);
        _link = new TokenBucket(bytesPerSecond);
        _latency = (long)(latency.TotalSeconds * Stopwatch.Frequency);
        _listener = Libc.socket(Libc.AF_INET, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0);
        if (_listener < 0) throw Libc.Failure("socket");
        int one = 1;
        _ = Libc.setsockopt(_listener, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, &one, sizeof(int));
        var address = new Libc.SockAddrIn
        {
            Family = Libc.AF_INET,
            Port = (ushort)IPAddress.HostToNetworkOrder((short)port),
            Address = (uint)IPAddress.HostToNetworkOrder(0x7F000001),
        };
        uint length = (uint)sizeof(Libc.SockAddrIn);
        if (Libc.bind(_listener, &address, length) < 0) throw Libc.Failure($"cannot bind 127.0.0.1:{port}");
        if (Libc.listen(_listener, 1024) < 0) throw Libc.Failure("listen");
        if (Libc.getsockname(_listener, &address, &length) < 0) throw Libc.Failure("getsockname");
        Port = (ushort)IPAddress.NetworkToHostOrder((short)address.Port);
        _wake = Libc.eventfd(0, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
        _epoll.Watch(_listener);
        _epoll.Watch(_wake);
    }

    internal int Port { get; }

    /// <summary>Serves until <see cref="Stop"/>; the calling thread is the server's.</summary>
    internal void Run()
    {
        while (!_stopped)
        {
            int count = _epoll.Wait(NextDeadline());
            for (int i = 0; i < count; i++)
            {
                (int fd, uint ready) = _epoll[i];
                if (fd == _listener) Accept();
                else if (fd != _wake && _connections[fd] is { } connection) OnReady(connection, ready);
            }

            long now = Stopwatch.GetTimestamp();
            while (_delayed.TryPeek(out Connection? first) && (first.State == ConnectionState.Closed || first.Due <= now))
            {
                _delayed.Dequeue();
                if (first.State == ConnectionState.Delayed) Answer(first);
            }

            for (int i = 0; i < SendsPerTurn && _sendable.Count > 0 && _link.IsOpen(Stopwatch.GetTimestamp()); i++)
            {
                Connection next = _sendable.Dequeue();
                if (next.State == ConnectionState.Sending) Send(next);
            }
        }
    }

    /// <summary>Makes <see cref="Run"/> return soon; from any thread.</summary>
    internal void Stop()
    {
        _stopped = true;
        ulong one = 1;
        _ = Libc.write(_wake, &one, sizeof(ulong));
    }

    /// <summary>Closes everything; after <see cref="Run"/> has returned.</summary>
    public void Dispose()
    {
        foreach (Connection? connection in _connections) connection?.Dispose();
        Libc.close(_listener);
        Libc.close(_wake);
        _epoll.Dispose();
    }

    /// <summary>Nanoseconds until something is to be done without an event; negative: nothing is.</summary>
    private long NextDeadline()
    {
        long now = Stopwatch.GetTimestamp();
        long next = long.MaxValue;
        if (_delayed.TryPeek(out Connection? first)) next = first.State == ConnectionState.Closed ? now : first.Due;
        if (_sendable.Count > 0) next = Math.Min(next, _link.IsOpen(now) ? now : _link.OpensAt);
        // Stopwatch ticks are nanoseconds on Linux.
        return next == long.MaxValue ? -1 : Math.Max(0, next - now);
    }

    private void Accept()
    {
        while (true)
        {
            int fd = Libc.accept4(_listener, null, null, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
            if (fd < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno is Libc.EAGAIN) return;
                // A client that left before it was accepted is no one's fault; anything else ends the run.
                if (errno is Libc.EINTR or Libc.ECONNABORTED) continue;
                throw Libc.Failure("accept");
            }

            int one = 1;
            _ = Libc.setsockopt(fd, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, &one, sizeof(int));
            if (fd >= _connections.Length) Array.Resize(ref _connections, Math.Max(fd + 1, _connections.Length * 2));
            _connections[fd] = new Connection(fd);
            _responder.Counters.Connections++;
            _epoll.Watch(fd);
        }
    }

    private void OnReady(Connection connection, uint ready)
    {
        if ((ready & (Epoll.Error | Epoll.HangUp)) != 0)
        {
            Close(connection);
            return;
        }

        if ((ready & (Epoll.In | Epoll.PeerClosed)) != 0)
        {
            connection.ReceivedAt = Stopwatch.GetTimestamp();
            if (!connection.Receive())
            {
                Close(connection);
                return;
            }

            if (connection.State == ConnectionState.Idle) TakeRequest(connection);
        }

        if ((ready & Epoll.Out) != 0 && connection.State == ConnectionState.Blocked)
        {
            connection.State = ConnectionState.Sending;
            _sendable.Enqueue(connection);
        }
    }

    /// <summary>Starts the clock for the request at the front of the input, when it is whole.</summary>
    private void TakeRequest(Connection connection)
    {
        ReadOnlySpan<byte> input = connection.Input;
        if (input.IndexOf("\r\n\r\n"u8) < 0) return;
        _responder.Counters.PeakInFlight = Math.Max(_responder.Counters.PeakInFlight, ++_inFlight);
        connection.State = ConnectionState.Delayed;
        connection.Due = connection.ReceivedAt + _latency;
        if (_latency == 0 || input.StartsWith("GET /-/"u8)) Answer(connection);
        else _delayed.Enqueue(connection);
    }

    private void Answer(Connection connection)
    {
        ReadOnlySpan<byte> input = connection.Input;
        int headLength = input.IndexOf("\r\n\r\n"u8) + 4;
        connection.Head.Clear();
        StoredObject body = default;
        long from = 0, length = 0;
        if (!HttpRequest.TryParse(input[..headLength], out HttpRequest request))
        {
            connection.Head.Add("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8);
            connection.CloseAfter = true;
        }
        else if (request.Path.SequenceEqual("/-/counters"u8))
        {
            byte[] json = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(_responder.Counters);
            connection.Head.Add("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "u8).Add(json.Length).Add("\r\n\r\n"u8).Add(json);
        }
        else
        {
            // A body could only belong to a write, which is refused: what follows on this connection is not read.
            connection.CloseAfter = request.CloseAfter || request.HasBody;
            _responder.Answer(request, connection.Head, out body, out from, out length);
        }

        connection.Consume(headLength);
        connection.Begin(body, from, length);
        _sendable.Enqueue(connection);
    }

    private void Send(Connection connection)
    {
        long sent = connection.Send(out bool isBlocked, out long bodyBytes);
        if (sent < 0)
        {
            Close(connection);
            return;
        }

        _link.Take(sent);
        _responder.Counters.BodyBytes += bodyBytes;
        if (isBlocked)
        {
            connection.State = ConnectionState.Blocked;
        }
        else if (connection.State == ConnectionState.Sending)
        {
            _sendable.Enqueue(connection);
        }
        else
        {
            _inFlight--;
            // What did not fit into a full input buffer raised its only event already.
            if (connection.CloseAfter || (connection.HeldBack && !connection.Receive())) Close(connection);
            else TakeRequest(connection);
        }
    }

    private void Close(Connection connection)
    {
        if (connection.State is not (ConnectionState.Idle or ConnectionState.Closed)) _inFlight--;
        _connections[connection.Fd] = null;
        connection.Dispose();
    }
}
