using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DataLayer.Formats;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// One libnfs context: one TCP connection and the calls under way on it. Made, used and disposed by one thread; every
/// callback runs on that thread, within <see cref="Service"/> or <see cref="Dispose"/>.
/// </summary>
internal sealed unsafe class RpcContext : IDisposable
{
    /// <summary>
    /// Calls under way on one connection. 16 × 1 MiB cover 1 GB/s at 15 ms; servers work on about as many of one connection
    /// at once, and a lost connection repeats no more than these.
    /// </summary>
    public const int Depth = 16;

    /// <summary>AUTH_SYS carries at most 16 supplementary groups (RFC 5531, appendix A).</summary>
    const int MaxGroups = 16;

    const nint ConnectArgument = -1;

    [ThreadStatic] static RpcContext? t_current;

    readonly nint _context;
    readonly RpcCall?[] _calls = new RpcCall?[Depth];
    readonly Stack<int> _free = new(Depth);
    readonly List<RpcCall> _lost = [];
    readonly RecordReader _records = new();
    readonly Func<nint, int, bool> _handle;
    string? _error;
    byte* _reply;
    int _replyLength;
    int? _connected;

    public RpcContext()
    {
        Libnfs.Require();
        _context = Libnfs.rpc_init_context();
        if (_context == 0) throw new OutOfMemoryException("libnfs could not make a context.");
        // Safety: the record lives until this returns, and its header has been checked.
        _handle = (record, size) => Libnfs.rpc_process_pdu(_context, record, size) == 0;
        SetCredentials();
        for (int i = Depth - 1; i >= 0; i--) _free.Push(i);
    }

    public int InFlight => Depth - _free.Count;

    public bool HasRoom => _free.Count > 0;

    /// <summary>True once the server has answered any call on this connection.</summary>
    public bool Answered { get; private set; }

    /// <summary>Calls that the connection's end left without an answer; complete after <see cref="Dispose"/>.</summary>
    public IReadOnlyList<RpcCall> Lost => _lost;

    /// <summary>Why the connection was lost.</summary>
    public string Error => _error ?? Marshal.PtrToStringUTF8(Libnfs.rpc_get_error(_context)) ?? "no answer";

    /// <param name="address">A numeric address: resolving a name inside libnfs would look at its first address only.</param>
    /// <returns>False when it could not be made within <paramref name="timeoutMs"/>; see <see cref="Error"/>.</returns>
    public bool Connect(string address, int port, int timeoutMs, WakeEvent wake, Func<bool> stopped)
    {
        long end = Environment.TickCount64 + timeoutMs;
        t_current = this;
        int started = Libnfs.rpc_connect_async(_context, address, port, &OnReply, ConnectArgument);
        t_current = null;
        if (started != 0) return false;
        while (_connected is null)
        {
            long left = end - Environment.TickCount64;
            if (left <= 0 || stopped()) return false;
            wake.Reset();
            if (!Service(wake, (int)Math.Min(left, 1000), out _)) return false;
        }
        if (_connected != Libnfs.StatusSuccess) return false;
        // Without it a small call waits until the one before it is acknowledged (Nagle), which undoes having several under way.
        Poll.SetNoDelay(Libnfs.rpc_get_fd(_context));
        return true;
    }

    /// <summary>Hands a call over for sending. Only when there is room.</summary>
    /// <returns>False when libnfs cannot take it (out of memory): give the connection up; the call is in <see cref="Lost"/>.</returns>
    public bool Send(RpcCall call)
    {
        int slot = _free.Pop();
        // Safety: both functions are static and unmanaged-callable; the argument is an index, never a pointer.
        nint pdu = Libnfs.rpc_allocate_pdu2(_context, (int)call.Program, (int)call.Version, (int)call.Procedure, &OnReply, slot, &OnDecode, 0, 0);
        if (pdu == 0)
        {
            _lost.Add(call);
            return false;
        }
        try
        {
            Libnfs.Zdr* zdr = Libnfs.ZdrOf(pdu);
            // Safety: libnfs owns Size bytes there and has filled Position of them; the writer cannot leave the rest.
            XdrWriter writer = new(new Span<byte>(zdr->Buffer + zdr->Position, zdr->Size - zdr->Position));
            call.WriteArguments(ref writer);
            zdr->Position += writer.Length;
        }
        catch (ArgumentException e)
        {
            Libnfs.rpc_free_pdu(_context, pdu);
            _free.Push(slot);
            call.Fail(new SourceException(SourceFault.Misconfigured, "A name is longer than an NFS call can carry.", e));
            return true;
        }
        _calls[slot] = call;
        // Over TCP it only appends to a list.
        _ = Libnfs.rpc_queue_pdu(_context, pdu);
        return true;
    }

    /// <summary>Waits for the socket, the wake event or the time, and sends and receives what can be without waiting.</summary>
    /// <param name="moved">The server sent something, or hung up.</param>
    /// <returns>False when the connection is lost.</returns>
    public bool Service(WakeEvent wake, int timeoutMs, out bool moved)
    {
        int socket = Libnfs.rpc_get_fd(_context);
        short events = Poll.Wait(socket, (short)Libnfs.rpc_which_events(_context), wake, timeoutMs);
        moved = (events & ~Poll.Out) != 0;
        bool held = true;
        t_current = this;
        if ((events & Poll.In) != 0) held = Receive(socket);
        if (held && (events & Poll.Out) != 0 && (events & (Poll.Error | Poll.HangUp)) == 0) held = Libnfs.rpc_service(_context, Poll.Out) >= 0;
        // With both set libnfs forgets the reason ("refused") for the hang-up. What came before it has been received.
        else if (held && (events & Poll.Error) != 0) held = Libnfs.rpc_service(_context, Poll.Error) >= 0;
        else if ((events & Poll.HangUp) != 0) held = false;
        t_current = null;
        return held;
    }

    bool Receive(int socket)
    {
        switch (_records.Receive(socket, _handle))
        {
            case RecordReader.Outcome.Waiting:
                return true;
            case RecordReader.Outcome.Ended:
                _error = "the server hung up";
                return false;
            default:
                _error = "the server sent what is no reply to a call";
                return false;
        }
    }

    public void Dispose()
    {
        t_current = this;
        // Calls back for every call that is still under way.
        Libnfs.rpc_destroy_context(_context);
        t_current = null;
        _records.Dispose();
    }

    void Release(int slot)
    {
        _calls[slot] = null;
        _free.Push(slot);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static uint OnDecode(Libnfs.Zdr* zdr, void* unused)
    {
        // Positions come from lengths that the server chose; libnfs may have stepped over the end by padding.
        if (t_current is not { } current || (uint)zdr->Position > (uint)zdr->Size) return 0;
        current._reply = zdr->Buffer + zdr->Position;
        current._replyLength = zdr->Size - zdr->Position;
        return 1;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void OnReply(nint context, int status, byte* data, nint argument)
    {
        RpcContext? current = t_current;
        if (current is null) return;
        if (argument == ConnectArgument)
        {
            current._connected = status;
            return;
        }
        RpcCall? call = current._calls[argument];
        if (call is null) return;
        current.Release((int)argument);
        // Safety: with StatusSuccess the decoder has run just before, and the reply's buffer lives until this returns.
        if (status == Libnfs.StatusSuccess) current.Answer(call, new ReadOnlySpan<byte>(current._reply, current._replyLength));
        // Safety: with StatusError data is one of libnfs's own constant texts, or null.
        else current.Refuse(call, status == Libnfs.StatusError ? Marshal.PtrToStringUTF8((nint)data) : null);
    }

    /// <summary>Throws nothing: native code calls it.</summary>
    void Answer(RpcCall call, ReadOnlySpan<byte> reply)
    {
        Answered = true;
        try
        {
            XdrReader reader = new(reply);
            if (!call.IsAbandoned) call.ReadReply(ref reader);
            call.Complete();
        }
        catch (Exception e)
        {
            call.Fail(new SourceException(SourceFault.Unavailable, $"The NFS server's answer makes no sense: {e.Message}; is there something between us and it, or a faulty server?", e));
        }
    }

    /// <param name="reason">The texts of lib/pdu.c for what the server said; any other means that the connection is gone.</param>
    void Refuse(RpcCall call, string? reason)
    {
        switch (reason)
        {
            case "Server responded: Program not available" or "Server responded: Program version mismatch":
                Answered = true;
                call.Fail(new SourceException(SourceFault.Misconfigured, call.Program == NfsProtocol.Program
                    ? $"The server does not speak NFS version {call.Version}; try ?version={(call.Version == 3 ? 4 : 3)}."
                    : $"The server has no program {call.Program} version {call.Version} at this port; is it an NFS server?"));
                break;
            case "RPC Packet not accepted by the server":
                Answered = true;
                call.Fail(new SourceException(SourceFault.Denied, "The NFS server refuses our credentials (AUTH_SYS); allow sec=sys for this machine on the export."));
                break;
            case not null when reason.StartsWith("Server responded:", StringComparison.Ordinal) || reason.StartsWith("Message rejected", StringComparison.Ordinal) || reason.StartsWith("Unknown rpc", StringComparison.Ordinal):
                Answered = true;
                call.Fail(new SourceException(SourceFault.Unavailable, $"The NFS server refused a call: {reason}."));
                break;
            default:
                _lost.Add(call);
                break;
        }
    }

    /// <summary>libnfs by itself sends user and group of the process, but none of its supplementary groups.</summary>
    void SetCredentials()
    {
        uint[] groups = ProcessIdentity.SupplementaryGroups;
        nint auth = Libnfs.libnfs_authunix_create("libnfs", ProcessIdentity.User, ProcessIdentity.Group, (uint)Math.Min(groups.Length, MaxGroups), groups);
        if (auth != 0) Libnfs.rpc_set_auth(_context, auth);
    }
}
