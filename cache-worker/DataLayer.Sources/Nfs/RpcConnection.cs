using System.Globalization;
using System.Net;
using System.Net.Sockets;
using DataLayer.Formats;
using DataLayer.Sources.S3;

namespace DataLayer.Sources.Nfs;

/// <summary>Where a remote program answers.</summary>
/// <param name="Host">A name or a numeric address.</param>
/// <param name="Port">Null: ask the port mapper.</param>
/// <param name="MapperPort">The port mapper's own.</param>
internal sealed record RpcTarget(string Host, uint Program, uint Version, int? Port, int MapperPort)
{
    public override string ToString() => Port is { } port ? $"{Host} port {port}" : Host;
}

/// <summary>
/// One connection to a server and the thread that owns its context, both made when there are calls and given up when
/// there have been none for a while. libnfs contexts do not recover from a lost connection (tried: after a server's
/// restart they stay dead, with and without its autoreconnect), so a lost one is thrown away and the calls that were on it
/// are sent again over a new one. Calls wait here until they are answered or abandoned. Safe for concurrent use.
/// </summary>
internal sealed class RpcConnection(RpcTarget target, TimeSpan requestTimeout, bool answeredBefore = false) : IDisposable
{
    /// <summary>Below what firewalls and servers allow idle connections, so that a silently dropped one is rarely used.</summary>
    const int IdleMs = 20_000;

    /// <summary>
    /// A connection that was lost sooner is followed by a pause even when the server answered: one answer may be what
    /// breaks it every time.
    /// </summary>
    const int LastingMs = 1000;

    /// <summary>Enough for name resolution, which is the deepest thing this thread does.</summary>
    const int StackSize = 512 * 1024;

    readonly Lock _sync = new();
    readonly LinkedList<RpcCall> _waiting = new();
    readonly WakeEvent _wake = new();
    int _inFlight;
    bool _running;
    bool _disposed;

    /// <summary>Calls waiting or under way.</summary>
    public int Load
    {
        get { lock (_sync) return _waiting.Count + _inFlight; }
    }

    /// <summary>What went wrong last, for who waited in vain; null while all is well.</summary>
    public string? Problem { get; private set; }

    /// <summary>
    /// Set once the server has answered. Before that, a server without the program is a mistake in the name; after it, a
    /// server that is starting again.
    /// </summary>
    public bool HasAnswered { get; private set; } = answeredBefore;

    public void Start(RpcCall call)
    {
        bool start;
        lock (_sync)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _waiting.AddLast(call);
            start = !_running;
            _running = true;
            // Within the lock: who disposes closes the event after it.
            if (!start) _wake.Set();
        }
        if (start) new Thread(Run, StackSize) { IsBackground = true, Name = $"nfs {target.Host}" }.Start();
    }

    /// <summary>Fails what waits. The thread ends by itself: at once, unless it is resolving a name.</summary>
    public void Dispose()
    {
        lock (_sync)
        {
            if (_disposed) return;
            _disposed = true;
            if (_running) _wake.Set();
            else _wake.Dispose();
        }
    }

    void Run()
    {
        int failures = 0;
        try
        {
            while (WaitForCalls())
            {
                if (failures > 0) Pause(RetryDelay.Next(failures, null));
                long start = Environment.TickCount64;
                bool answered = ServeOnce(failures);
                failures = answered && Environment.TickCount64 - start >= LastingMs ? 0 : failures + 1;
            }
        }
        catch (Exception e)
        {
            // Nothing is expected here (out of memory, out of descriptors); the callers learn of it and may try again.
            End(new SourceException(SourceFault.Unavailable, $"The NFS connection to {target} failed: {e.Message}", e));
        }
    }

    /// <summary>False when the thread is to end: idle, or disposed. It does not count as running any more then.</summary>
    bool WaitForCalls()
    {
        long end = Environment.TickCount64 + IdleMs;
        while (true)
        {
            _wake.Reset();
            lock (_sync)
            {
                if (_disposed)
                {
                    End(new SourceException(SourceFault.Unavailable, $"The source on {target.Host} was closed."));
                    return false;
                }
                DropAbandoned();
                if (_waiting.Count > 0) return true;
                long left = end - Environment.TickCount64;
                if (left <= 0)
                {
                    _running = false;
                    return false;
                }
            }
            Poll.Wait(-1, 0, _wake, IdleMs);
        }
    }

    void Pause(TimeSpan time)
    {
        long end = Environment.TickCount64 + (long)time.TotalMilliseconds;
        while (!IsDisposed() && end - Environment.TickCount64 is > 0 and long left)
        {
            _wake.Reset();
            Poll.Wait(-1, 0, _wake, (int)left);
        }
    }

    bool IsDisposed()
    {
        lock (_sync) return _disposed;
    }

    /// <summary>Connects and serves until the connection is lost, idle or stuck.</summary>
    /// <returns>True when the server answered in between, so that the next attempt need not wait.</returns>
    bool ServeOnce(int attempt)
    {
        RpcContext? context = null;
        try
        {
            context = Connect(attempt);
            if (context is not null) Serve(context);
        }
        catch (SourceException e) when (!HasAnswered)
        {
            FailWaiting(e);
        }
        catch (SourceException e)
        {
            Problem = e.Message;
        }
        finally
        {
            context?.Dispose();
            if (context is not null) TakeBack(context.Lost);
        }
        return context is { Answered: true };
    }

    /// <returns>Null when there is no connection; <see cref="Problem"/> says why.</returns>
    /// <exception cref="SourceException">Misconfigured: the server says that the program is not there.</exception>
    RpcContext? Connect(int attempt)
    {
        IPAddress[] addresses;
        try
        {
            addresses = Dns.GetHostAddresses(target.Host);
        }
        catch (SocketException e)
        {
            Problem = $"the name {target.Host} cannot be resolved: {e.Message}";
            return null;
        }
        if (addresses.Length == 0)
        {
            Problem = $"the name {target.Host} has no address";
            return null;
        }
        // A name may have an IPv6 address that nothing listens at: each attempt takes the next.
        IPAddress address = addresses[attempt % addresses.Length];
        if (target.Port is { } fixedPort) return Connect(address, fixedPort);

        GetPortCall ask = new(target.Program, target.Version, address.AddressFamily == AddressFamily.InterNetworkV6);
        using (RpcContext? mapper = Connect(address, target.MapperPort))
        {
            if (mapper is null)
            {
                Problem += "; a server without port mapper needs its port in the source's name, or ?version=4";
                return null;
            }
            if (!CallAndWait(mapper, ask)) return null;
        }
        if (ask.Port == 0)
            throw new SourceException(SourceFault.Misconfigured, target.Program == NfsProtocol.Program
                ? $"{target.Host} does not serve NFS version {target.Version}; try ?version=4, or name the port: nfs://server:port/export."
                : $"{target.Host} has no mount service for NFS version 3; try ?version=4.");
        return Connect(address, ask.Port);
    }

    RpcContext? Connect(IPAddress address, int port)
    {
        RpcContext context = new();
        bool connected = false;
        try
        {
            connected = context.Connect(address.ToString(), port, (int)requestTimeout.TotalMilliseconds, _wake, IsDisposed);
            if (!connected) Problem = string.Create(CultureInfo.InvariantCulture, $"no connection to {address} port {port} ({context.Error})");
            return connected ? context : null;
        }
        finally
        {
            if (!connected) context.Dispose();
        }
    }

    bool CallAndWait(RpcContext context, GetPortCall call)
    {
        if (!context.Send(call)) return false;
        long end = Environment.TickCount64 + (long)requestTimeout.TotalMilliseconds;
        while (context.InFlight > 0)
        {
            long left = end - Environment.TickCount64;
            _wake.Reset();
            if (left <= 0 || IsDisposed() || !context.Service(_wake, (int)left, out _))
            {
                Problem = $"the port mapper of {target.Host} does not answer";
                return false;
            }
        }
        return true;
    }

    void Serve(RpcContext context)
    {
        long lastMove = Environment.TickCount64;
        while (true)
        {
            _wake.Reset();
            lock (_sync)
            {
                if (_disposed) return;
                DropAbandoned();
                while (context.HasRoom && _waiting.First is { } first)
                {
                    _waiting.RemoveFirst();
                    if (context.InFlight == 0) lastMove = Environment.TickCount64;
                    if (!context.Send(first.Value)) return;
                }
                _inFlight = context.InFlight;
            }

            long quiet = Environment.TickCount64 - lastMove;
            long limit = context.InFlight > 0 ? (long)requestTimeout.TotalMilliseconds : IdleMs;
            if (quiet >= limit)
            {
                if (context.InFlight > 0) Problem = $"{target} took a call and sent nothing for {requestTimeout.TotalSeconds:0.#} s";
                return;
            }
            if (!context.Service(_wake, (int)Math.Min(limit - quiet, int.MaxValue), out bool moved))
            {
                Problem = $"the connection to {target} was lost ({context.Error})";
                return;
            }
            if (moved) lastMove = Environment.TickCount64;
            if (!context.Answered) continue;
            HasAnswered = true;
            Problem = null;
        }
    }

    /// <summary>Puts calls whose connection is gone in front of those that have not been sent yet.</summary>
    void TakeBack(IReadOnlyList<RpcCall> calls)
    {
        lock (_sync)
        {
            _inFlight = 0;
            for (int i = calls.Count - 1; i >= 0; i--) _waiting.AddFirst(calls[i]);
        }
    }

    /// <summary>Within the lock.</summary>
    void DropAbandoned()
    {
        for (LinkedListNode<RpcCall>? node = _waiting.First; node is not null;)
        {
            LinkedListNode<RpcCall>? next = node.Next;
            if (node.Value.IsAbandoned) _waiting.Remove(node);
            node = next;
        }
    }

    void FailWaiting(SourceException fault)
    {
        lock (_sync)
        {
            foreach (RpcCall call in _waiting) call.Fail(fault);
            _waiting.Clear();
        }
    }

    void End(SourceException fault)
    {
        lock (_sync)
        {
            FailWaiting(fault);
            _running = false;
            if (_disposed) _wake.Dispose();
        }
    }
}
