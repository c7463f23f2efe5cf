using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>
/// One request of the kernel, waiting for exactly one answer. The transport's thread owns the object and uses it again for
/// the next request, so a handler that answers before it returns allocates nothing and must not keep the reference.
/// <see cref="Defer"/> takes the object out of that cycle: it may then be answered once, from any thread, at any time.
/// </summary>
/// <remarks>
/// A deferred request that nobody references any more without having been answered is logged and answered with EIO by its
/// finalizer. A second answer throws: it would otherwise reach another caller.
/// </remarks>
public sealed class FuseRequest
{
    readonly FuseWorker _worker;
    int _thread;
    bool _answered = true;
    DeferredRequest? _deferred;
    bool _hasPayload;
    Memory<byte> _payload;
    byte[]? _rented;
    bool _finished;

    internal FuseRequest(FuseWorker worker)
    {
        _worker = worker;
        // Until deferred the worker answers for it; the finalizer is for deferred ones only.
        GC.SuppressFinalize(this);
    }

    /// <summary>The kernel's number of this request; bit 63 marks one that was sent again to a successor process.</summary>
    public ulong Unique { get; private set; }

    public FuseOpcode Opcode { get; private set; }

    public FuseNodeId Node { get; private set; }

    /// <summary>The caller's filesystem user id, in the namespace of the mount.</summary>
    public uint Uid { get; private set; }

    public uint Gid { get; private set; }

    /// <summary>The calling thread's id, 0 when it is invisible from here or the kernel itself asks.</summary>
    public uint Pid { get; private set; }

    /// <summary>
    /// The slot of the transport that received the request: a small number, stable per transport thread, for per-thread
    /// state of the filesystem.
    /// </summary>
    public int WorkerIndex => _worker.Index;

    /// <summary>The caller got a signal. The answer may be EINTR, or the result if it is near; a caller killed outright does not wait for it.</summary>
    public bool IsInterrupted => _deferred is { } deferred ? deferred.IsInterrupted : _worker.IsInterrupted(Unique);

    /// <summary>Cancelled when the caller is interrupted or the connection ends. Only after <see cref="Defer"/>.</summary>
    public CancellationToken Cancellation =>
        _deferred?.Token ?? throw new InvalidOperationException("Defer the request before asking for its cancellation.");

    internal bool IsAnswered => _deferred?.IsClaimed ?? _answered;

    internal bool IsDeferred => _deferred is not null;

    /// <summary>Entry of the io_uring queue that holds the request.</summary>
    internal int RingEntry { get; private set; }

    /// <summary>Room that a GETXATTR or LISTXATTR offers; 0 asks for the size.</summary>
    internal int XattrSize { get; set; }

    internal void Begin(in FuseInHeader header, int ringEntry)
    {
        RingEntry = ringEntry;
        Unique = header.Unique;
        Opcode = (FuseOpcode)header.Opcode;
        Node = new FuseNodeId(header.NodeId);
        Uid = header.Uid;
        Gid = header.Gid;
        Pid = header.Pid;
        _hasPayload = false;
        _thread = Environment.CurrentManagedThreadId;
        _answered = false;
    }

    /// <summary>
    /// The answer will come later: the transport goes on to other requests. Call it in the handler, before the request is
    /// visible to another thread. A payload taken before (to try what is local) is given up. Costs about 200 bytes of garbage.
    /// </summary>
    public void Defer()
    {
        if (_deferred is not null) return;
        if (IsAnswered || _thread != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException($"{this} can be deferred only in its handler, before it is answered.");
        _hasPayload = false; // The worker's own buffer.
        _deferred = _worker.Defer(this);
        GC.ReRegisterForFinalize(this);
    }

    /// <summary>
    /// Memory to build the answer in, sent by <see cref="ReplyPayload"/> without a further copy. One per request. The right to
    /// touch it ends with any answer: I/O into it must have completed.
    /// </summary>
    /// <remarks>
    /// Before <see cref="Defer"/> it is the transport's own buffer and always available. After it, it comes from a bounded
    /// pool and this call waits when that is exhausted: take it once the bytes are here, not before fetching them.
    /// </remarks>
    /// <param name="size">Bytes, at most <see cref="FuseNegotiation.MaxRead"/> (and at least 64 KiB are always possible).</param>
    public Memory<byte> TakePayload(int size)
    {
        // One that the library has answered is still worked on by a filesystem that cannot know.
        if (_hasPayload || (IsAnswered && _deferred is not { IsClaimedByLibrary: true })) throw new InvalidOperationException($"{this} has its payload already, or is answered.");
        _payload = _deferred is null ? _worker.Scratch(this, size)[..size] : (_rented = _worker.Payloads.Rent(size)).AsMemory(0, size);
        _hasPayload = true;
        return _payload;
    }

    /// <summary>Sends the first <paramref name="length"/> bytes of the payload.</summary>
    public void ReplyPayload(int length)
    {
        if (!_hasPayload || (uint)length > (uint)_payload.Length)
            throw new ArgumentOutOfRangeException(nameof(length), length, "More than the payload that was taken.");
        Answer(Errno.None, default, _payload.Span[..length]);
    }

    /// <summary>Sends bytes from anywhere, for instance from a mapping of a pack: on /dev/fuse the kernel copies them from
    /// there. Pages that fault must be resident or local: a process killed inside the copy turns the request into EIO.</summary>
    public void ReplyData(ReadOnlySpan<byte> data) => Answer(Errno.None, default, data);

    public void ReplyOk() => Answer(Errno.None, default, default);

    /// <param name="error">Not <see cref="Errno.None"/>. A payload that was taken is not used again, so that I/O still running
    /// into it harms nobody.</param>
    public void ReplyError(Errno error)
    {
        if (error <= Errno.None || (int)error >= 512) error = Errno.EIO; // The kernel refuses what is no errno, and would leave the caller to EIO.
        Answer(error, default, default);
    }

    public void ReplyEntry(in FuseEntryOut entry) => Answer(Errno.None, BytesOf(entry), default);

    /// <summary>No such name; the kernel answers the next lookups itself for <paramref name="validSeconds"/>.</summary>
    public void ReplyNoEntry(ulong validSeconds)
    {
        // ENOENT is never remembered by the kernel; a node id of 0 is.
        if (validSeconds == 0) Answer(Errno.ENOENT, default, default);
        else ReplyEntry(new FuseEntryOut { EntryValid = validSeconds });
    }

    public void ReplyAttr(in FuseAttrOut attr) => Answer(Errno.None, BytesOf(attr), default);

    public void ReplyStatx(in FuseStatxOut statx) => Answer(Errno.None, BytesOf(statx), default);

    public void ReplyOpen(in FuseOpenOut open) => Answer(Errno.None, BytesOf(open), default);

    public void ReplyStatFs(in FuseKStatFs statFs) => Answer(Errno.None, BytesOf(statFs), default);

    public void ReplySeek(ulong offset) => Answer(Errno.None, BytesOf(offset), default);

    /// <summary>The value of GETXATTR, or the names of LISTXATTR: sends the size when that was asked, ERANGE when it does not fit.</summary>
    public void ReplyXattr(ReadOnlySpan<byte> value)
    {
        if (XattrSize == 0) Answer(Errno.None, BytesOf(new FuseGetXattrOut { Size = (uint)value.Length }), default);
        else if (value.Length > XattrSize) ReplyError(Errno.ERANGE);
        else Answer(Errno.None, default, value);
    }

    /// <param name="result">What ioctl(2) returns, not negative.</param>
    public void ReplyIoctl(int result, ReadOnlySpan<byte> output) =>
        Answer(Errno.None, BytesOf(new FuseIoctlOut { Result = result }), output);

    public void ReplyDirectory(in FuseDirectoryWriter entries) => ReplyPayload(entries.Length);

    public override string ToString() => $"{Opcode} #{Unique} on node {Node}";

    /// <summary>Answers with EIO what its handler left open. A later answer of the filesystem is dropped.</summary>
    internal void AnswerForFileSystem()
    {
        if (_deferred is not null) _worker.GiveUp(_deferred);
        else if (!_answered) ReplyError(Errno.EIO);
    }

    void Answer(Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        if (_deferred is null)
        {
            if (_thread != Environment.CurrentManagedThreadId)
                throw new InvalidOperationException($"{this} was not deferred and may be answered only in its handler.");
            if (_answered) throw new InvalidOperationException($"{this} is answered already.");
            _answered = true;
            _worker.Send(this, error, head, data);
            return;
        }
        if (_deferred.TryClaim(forLibrary: false)) _worker.Send(this, error, head, data);
        else if (!_deferred.IsClaimedByLibrary || _finished) throw new InvalidOperationException($"{this} is answered already.");
        Finish(error);
    }

    void Finish(Errno error)
    {
#pragma warning disable CA1816 // The finalizer detects requests that nobody answered; this one is.
        GC.SuppressFinalize(this);
#pragma warning restore CA1816
        _finished = true;
        if (_rented is not null && error == Errno.None) _worker.Payloads.Return(_rented);
        else if (_rented is not null) _worker.Payloads.Forget(_rented);
        _worker.Complete(_deferred!);
    }

    static ReadOnlySpan<byte> BytesOf<T>(in T value) where T : unmanaged =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value));

    ~FuseRequest()
    {
        if (_deferred!.TryClaim(forLibrary: true)) _worker.Drop(this);
        if (_rented is not null) _worker.Payloads.Forget(_rented);
        _worker.Complete(_deferred);
    }
}
