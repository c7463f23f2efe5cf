using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>Reads requests from one /dev/fuse descriptor until the connection ends, or until told to stop.</summary>
/// <param name="isOnlyOne">The worker that answers what was left in the journal for its descriptor.</param>
sealed unsafe class DeviceWorker(FuseSession session, int index, FuseDevice device, RequestJournal? journal, bool isOnlyOne) : FuseWorker(session, index)
{
    /// <summary>
    /// FUSE_MIN_READ_BUFFER: the kernel refuses a smaller one, and none of its requests is larger with max_write 4096. A larger
    /// buffer would only batch more forgets: 509 per read here.
    /// </summary>
    public const int BufferSize = 8192;

    readonly byte[] _buffer = journal is null ? GC.AllocateArray<byte>(BufferSize, pinned: true) : [];
    byte[] _scratch = [];
    byte* _landing;
    int _parked = -1;
    int _thread;
    volatile bool _stopping;

    public void Run()
    {
        // Safe: the array is pinned for its life; the journal and the device are closed only after this method has returned.
        byte* buffer = _landing = journal is null ? (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_buffer, 0) : journal.LandingOf(Index);
        // Written to, so that it is resident: a process killed while the kernel waits for a page of it fails the request.
        new Span<byte>(buffer, BufferSize).Clear();
        Volatile.Write(ref _thread, Libc.GetThreadId());
        if (journal is not null && isOnlyOne) AnswerLeft(journal);
        long start = GC.GetAllocatedBytesForCurrentThread();
        while (!_stopping)
        {
            nint length = Libc.Read(device.Descriptor, buffer, BufferSize);
            if (length >= 0)
            {
                // Safe: the kernel has written this many bytes of BufferSize.
                Receive(new ReadOnlySpan<byte>(buffer, (int)length));
                if (journal is not null) RequestJournal.Clear(buffer);
            }
            else if (!MayRetry(Libc.LastError)) break;
            Counters.SetAllocated(GC.GetAllocatedBytesForCurrentThread() - start);
        }
        Volatile.Write(ref _thread, 0);
    }

    /// <summary>Ends <see cref="Run"/> after the request in hand. Repeat it: the signal is lost on a thread that is about to wait.</summary>
    public void Stop()
    {
        _stopping = true;
        if (Volatile.Read(ref _thread) is > 0 and int thread) WakeUpSignal.Send(thread);
    }

    /// <summary>What a predecessor took from this descriptor and did not answer.</summary>
    void AnswerLeft(RequestJournal left)
    {
        foreach (int slot in left.LeftOf(Index))
        {
            _parked = slot;
            Receive(left.MessageOf(slot));
            if (_parked < 0) continue; // Deferred.
            left.Release(slot);
            _parked = -1;
        }
    }

    protected override int Park()
    {
        if (journal is null) return -1;
        if (_parked < 0) return journal.Park(_landing, device: isOnlyOne ? Index : 0);
        int slot = _parked;
        _parked = -1;
        return slot;
    }

    protected override void Unpark(int slot) => journal!.Release(slot);

    public override Memory<byte> Scratch(FuseRequest request, int size)
    {
        // Grown by powers of two to the largest answer this thread has built; untouched pages cost no memory.
        if (_scratch.Length < size)
            _scratch = GC.AllocateUninitializedArray<byte>((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(size, 64 << 10)), pinned: true);
        return _scratch;
    }

    protected override Errno Transmit(ulong unique, int ringEntry, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        FuseOutHeader header = new()
        {
            Len = (uint)(FuseOutHeader.Size + head.Length + data.Length),
            Error = -(int)error,
            Unique = unique,
        };
        Errno errno = device.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)), head, data);
        if (errno is Errno.None or Errno.ENOENT or Errno.ENODEV) return errno;
        // Mostly the kernel has released the caller with EIO by then, and says ENOENT to this. If it failed before it had found
        // the request (no memory), this releases the caller.
        header = new FuseOutHeader { Len = FuseOutHeader.Size, Error = -(int)Errno.EIO, Unique = unique };
        device.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)), default, default);
        return errno;
    }

    /// <summary>The errors of read(2) after which another read makes sense; any other one ends the thread.</summary>
    bool MayRetry(Errno errno)
    {
        switch (errno)
        {
            case Errno.EINTR: // A signal.
            case Errno.ENOENT: // The request was aborted while it was being copied to us.
                return true;
            case Errno.EAGAIN: // Nothing there: only on a descriptor someone made non-blocking.
                device.WaitReadable(TimeSpan.FromSeconds(1));
                return true;
            case Errno.ENODEV: // Unmounted.
            case Errno.ECONNABORTED: // Aborted (feature AbortError).
                return false;
            default:
                Session.Log(FuseLogLevel.Error, $"Reading {FuseDevice.Path} failed with {errno}; thread {Index} of the mount ends.");
                return false;
        }
    }
}
