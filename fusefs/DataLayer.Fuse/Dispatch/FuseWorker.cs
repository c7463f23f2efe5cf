using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>
/// One thread of a transport: takes requests from the kernel, calls the filesystem, sends the answers. Derived classes know
/// how bytes travel; this one guarantees that every request gets exactly one answer.
/// </summary>
abstract class FuseWorker
{
    readonly FuseSession _session;
    FuseRequest _request;
    ulong _current;
    ulong _interrupted;

    protected FuseWorker(FuseSession session, int index)
    {
        _session = session;
        Index = index;
        _request = new FuseRequest(this);
    }

    public int Index { get; }

    public PayloadPool Payloads => _session.Payloads;

    public FuseCounters Counters { get; } = new();

    protected FuseSession Session => _session;

    /// <summary>The handler in progress on this thread was interrupted.</summary>
    public bool IsInterrupted(ulong unique) => Volatile.Read(ref _interrupted) == unique && unique != 0;

    /// <summary>True if <paramref name="unique"/> is being handled on this thread now.</summary>
    public bool TryInterrupt(ulong unique)
    {
        if (Volatile.Read(ref _current) != unique) return false;
        // The handler may end meanwhile; the next request has another number and is not hit.
        Volatile.Write(ref _interrupted, unique);
        return true;
    }

    /// <summary>At least <paramref name="size"/> bytes for an answer sent by this thread before it takes the next request.</summary>
    public abstract Memory<byte> Scratch(FuseRequest request, int size);

    /// <summary>Sends one answer; any thread.</summary>
    /// <param name="ringEntry">As given by the request.</param>
    /// <returns>None, or why the kernel did not take it. The caller of the operation was released in either case.</returns>
    protected abstract Errno Transmit(ulong unique, int ringEntry, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data);

    /// <summary>Keeps the request in progress where a successor finds it, if there is such a place.</summary>
    /// <returns>For <see cref="Unpark"/>, or -1.</returns>
    protected virtual int Park() => -1;

    /// <summary>The request was answered; any thread.</summary>
    protected virtual void Unpark(int slot) { }

    public DeferredRequest Defer(FuseRequest request)
    {
        DeferredRequest deferred = new(this, request.Unique, request.RingEntry, Park());
        _session.Add(deferred);
        return deferred;
    }

    public void Send(FuseRequest request, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data) =>
        Send(request.Unique, request.Opcode, request.RingEntry, error, head, data);

    public void Complete(DeferredRequest deferred)
    {
        // First: who waits for the last deferred request to be gone closes the journal then.
        if (deferred.TakeSlot() is >= 0 and int slot) Unpark(slot);
        _session.Remove(deferred);
    }

    /// <summary>From the finalizer of a deferred request that nobody can answer any more.</summary>
    public void Drop(FuseRequest request)
    {
        _session.Log(FuseLogLevel.Error, $"{request} was dropped without an answer; answered with EIO.");
        Counters.CountUnanswered();
        Send(request, Errno.EIO, default, default);
    }

    /// <summary>Answers a deferred request in the filesystem's place.</summary>
    public void GiveUp(DeferredRequest deferred)
    {
        if (!deferred.TryClaim(forLibrary: true)) return;
        Send(deferred.Unique, default, deferred.RingEntry, Errno.EIO, default, default);
        Complete(deferred);
    }

    /// <summary>Takes one message as /dev/fuse delivers it: header, struct, rest. Any bytes are safe.</summary>
    public void Receive(ReadOnlySpan<byte> message)
    {
        if (message.Length < FuseInHeader.Size)
        {
            _session.Log(FuseLogLevel.Warning, $"A message of {message.Length} bytes has no header; ignored.");
            return;
        }
        FuseInHeader header = MemoryMarshal.Read<FuseInHeader>(message);
        ReadOnlySpan<byte> body = message[FuseInHeader.Size..];
        if (FuseOperations.IsOneWay(header.Opcode))
        {
            HandleOneWay(header, body);
            return;
        }
        if (header.Len != (uint)message.Length)
        {
            _session.Log(FuseLogLevel.Warning, $"{FuseOperations.NameOf(header.Opcode)} #{header.Unique} announces {header.Len} bytes and has {message.Length}; answered with EIO.");
            Counters.CountRequest(header.Opcode);
            Send(header.Unique, (FuseOpcode)header.Opcode, 0, Errno.EIO, default, default);
            return;
        }
        int split = Math.Min(FuseOperations.FixedSizeOf(header.Opcode), body.Length);
        Handle(header, ringEntry: 0, body[..split], body[split..]);
    }

    void HandleOneWay(in FuseInHeader header, ReadOnlySpan<byte> body)
    {
        Counters.CountRequest(header.Opcode);
        try
        {
            FuseOperations.DispatchOneWay(_session, header, body);
        }
        catch (Exception fault)
        {
            _session.Log(FuseLogLevel.Error, $"{FuseOperations.NameOf(header.Opcode)} #{header.Unique}: the handler failed: {fault}");
        }
    }

    /// <summary>Dispatches one request and sees to its answer.</summary>
    /// <param name="fixedPart">The operation's struct; at least as long as the table demands, or the request is refused.</param>
    /// <param name="rest">What follows it.</param>
    protected void Handle(in FuseInHeader header, int ringEntry, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        Counters.CountRequest(header.Opcode);
        FuseRequest request = _request;
        request.Begin(header, ringEntry);
        Volatile.Write(ref _current, header.Unique);
        try
        {
            FuseOperations.Dispatch(_session, request, fixedPart, rest);
        }
        catch (Exception fault)
        {
            _session.Log(FuseLogLevel.Error, $"{request}: the handler failed, answered with EIO: {fault}");
            Counters.CountUnanswered();
            request.AnswerForFileSystem();
        }
        if (!request.IsDeferred && !request.IsAnswered)
        {
            _session.Log(FuseLogLevel.Error, $"{request}: the handler returned without an answer; answered with EIO.");
            Counters.CountUnanswered();
            request.AnswerForFileSystem();
        }
        Volatile.Write(ref _current, 0);
        if (request.IsDeferred) _request = new FuseRequest(this);
    }

    void Send(ulong unique, FuseOpcode opcode, int ringEntry, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        Counters.CountAnswer(error, data.Length);
        Errno refusal = Transmit(unique, ringEntry, error, head, data);
        // ENOENT: the caller is gone (killed, or the connection aborted). ENODEV, ECONNABORTED, ENOTCONN: so is the mount.
        if (refusal is Errno.None or Errno.ENOENT or Errno.ENODEV or Errno.ECONNABORTED or Errno.ENOTCONN) return;
        _session.Log(FuseLogLevel.Error, $"{opcode} #{unique}: the kernel refused an answer of {head.Length + data.Length} bytes with {refusal}; its caller got EIO.");
    }
}
