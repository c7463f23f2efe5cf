using System.Runtime.InteropServices;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>One client connection and the response it is receiving. Belongs to the server's thread.</summary>
internal sealed unsafe class Connection(int fd) : IDisposable
{
    // S3 request heads are 0.3 to 2 KB; signed URLs with long keys stay below 8.
    private const int InputCapacity = 16 << 10;

    // Up to here one sendmsg that copies from the mapping beats send(MSG_MORE) and sendfile by a call; above it
    // sendfile, which hands over page references, is cheaper.
    private const int CopiedBody = 32 << 10;

    // What one connection may send before the next has its turn.
    private const int Quantum = 256 << 10;

    private readonly byte* _input = (byte*)NativeMemory.Alloc(InputCapacity);
    private int _inputLength;
    private int _headSent;
    private StoredObject _body;
    private long _bodyOffset, _bodyLeft;

    internal int Fd { get; } = fd;
    internal ByteWriter Head { get; } = new();
    internal ConnectionState State { get; set; }
    internal bool CloseAfter { get; set; }

    /// <summary>Whether more may wait in the socket than the input buffer had room for.</summary>
    internal bool HeldBack { get; private set; }

    /// <summary>When the latest bytes came, and when the request at the front is to be answered.</summary>
    internal long ReceivedAt { get; set; }
    internal long Due { get; set; }

    // Safe: the buffer lives until Dispose, and the length never exceeds its capacity.
    internal ReadOnlySpan<byte> Input => new(_input, _inputLength);

    /// <summary>Reads what came. False: the peer is gone, or its request head does not fit.</summary>
    internal bool Receive()
    {
        while (true)
        {
            int space = InputCapacity - _inputLength;
            HeldBack = space == 0;
            if (HeldBack) return Input.IndexOf("\r\n\r\n"u8) >= 0;
            nint got = Libc.recv(Fd, _input + _inputLength, (nuint)space, 0);
            if (got == 0) return false;
            if (got < 0) return Marshal.GetLastPInvokeError() is Libc.EAGAIN or Libc.EINTR;
            _inputLength += (int)got;
            if (got < space) return true;
        }
    }

    /// <summary>Removes a finished request head from the front of the input.</summary>
    internal void Consume(int bytes)
    {
        Input[bytes..].CopyTo(new Span<byte>(_input, InputCapacity));
        _inputLength -= bytes;
    }

    /// <summary>Begins sending <see cref="Head"/> and then these bytes of the object.</summary>
    internal void Begin(in StoredObject body, long from, long length)
    {
        _headSent = 0;
        _body = body;
        _bodyOffset = from;
        _bodyLeft = length;
        State = ConnectionState.Sending;
    }

    /// <summary>Sends up to a turn's worth; returns the bytes sent, or -1 when the connection broke.</summary>
    internal long Send(out bool isBlocked, out long bodyBytes)
    {
        long left = _bodyLeft;
        long sent = 0;
        isBlocked = false;
        bodyBytes = 0;
        if (_headSent < Head.Length)
        {
            sent = SendHead();
            if (sent < 0) return IsBlocked(out isBlocked) ? 0 : -1;
            bodyBytes = left - _bodyLeft;
        }

        if (_headSent == Head.Length && _bodyLeft > 0 && sent < Quantum)
        {
            long offset = _body.Offset + _bodyOffset;
            nint got = Libc.sendfile(Fd, _body.Fd, &offset, (nuint)Math.Min(_bodyLeft, Quantum));
            // 0: the blob was cut short under us; the client would wait for ever.
            if (got == 0) return -1;
            if (got < 0) return IsBlocked(out isBlocked) ? sent : -1;
            _bodyOffset += got;
            _bodyLeft -= got;
            sent += got;
            bodyBytes = left - _bodyLeft;
        }

        if (_headSent == Head.Length && _bodyLeft == 0) State = ConnectionState.Idle;
        return sent;
    }

    public void Dispose()
    {
        State = ConnectionState.Closed;
        Libc.close(Fd);
        NativeMemory.Free(_input);
    }

    private long SendHead()
    {
        long copied = _bodyLeft <= CopiedBody ? _bodyLeft : 0;
        // Safe: head and mapped body stay in place during the call; the body range was checked against the object's size.
        fixed (byte* head = Head.Array)
        {
            Libc.IoVec* parts = stackalloc Libc.IoVec[2];
            parts[0] = new Libc.IoVec { Base = head + _headSent, Length = (nuint)(Head.Length - _headSent) };
            parts[1] = new Libc.IoVec { Base = _body.Data + _bodyOffset, Length = (nuint)copied };
            var message = new Libc.MsgHdr { Iov = parts, IovLength = copied > 0 ? 2u : 1u };
            bool more = _bodyLeft > copied;
            nint sent = Libc.sendmsg(Fd, &message, Libc.MSG_NOSIGNAL | (more ? Libc.MSG_MORE : 0));
            if (sent < 0) return -1;
            int ofHead = (int)Math.Min(sent, Head.Length - _headSent);
            _headSent += ofHead;
            _bodyOffset += sent - ofHead;
            _bodyLeft -= sent - ofHead;
            return sent;
        }
    }

    private static bool IsBlocked(out bool isBlocked) =>
        isBlocked = Marshal.GetLastPInvokeError() is Libc.EAGAIN or Libc.EINTR;
}

/// <summary>Where a connection is in its request.</summary>
internal enum ConnectionState
{
    /// <summary>No whole request has come.</summary>
    Idle,

    /// <summary>A request waits for the latency to pass.</summary>
    Delayed,

    /// <summary>A response waits for its turn or for bandwidth.</summary>
    Sending,

    /// <summary>A response waits for room in the socket.</summary>
    Blocked,

    Closed,
}
