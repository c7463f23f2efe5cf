using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>Reads requests from one /dev/fuse descriptor until the connection ends.</summary>
sealed unsafe class DeviceWorker(FuseSession session, int index, FuseDevice device) : FuseWorker(session, index)
{
    /// <summary>
    /// FUSE_MIN_READ_BUFFER: the kernel refuses a smaller one, and none of its requests is larger with max_write 4096. A larger
    /// buffer would only batch more forgets: 509 per read here.
    /// </summary>
    public const int BufferSize = 8192;

    readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferSize, pinned: true);
    byte[] _scratch = [];

    public void Run()
    {
        // Safe: the array is pinned for its life, and the transport closes the device only after this method has returned.
        byte* buffer = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_buffer, 0);
        long start = GC.GetAllocatedBytesForCurrentThread();
        while (true)
        {
            nint length = Libc.Read(device.Descriptor, buffer, BufferSize);
            if (length >= 0) Receive(_buffer.AsSpan(0, (int)length));
            else if (!MayRetry(Libc.LastError)) return;
            Counters.SetAllocated(GC.GetAllocatedBytesForCurrentThread() - start);
        }
    }

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
        return device.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)), head, data);
    }

    /// <summary>The errors of read(2) after which another read makes sense; any other one ends the thread.</summary>
    bool MayRetry(Errno errno)
    {
        switch (errno)
        {
            case Errno.EINTR: // A signal.
            case Errno.ENOENT: // The request was aborted while it was being copied to us.
            case Errno.EAGAIN: // Nothing there: only on a descriptor someone made non-blocking.
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
