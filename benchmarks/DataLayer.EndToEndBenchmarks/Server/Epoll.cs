using System.Runtime.InteropServices;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>
/// An edge-triggered epoll set for one thread. Descriptors are registered once for both directions, so that a request
/// costs no epoll_ctl; the owner reads and writes until EAGAIN.
/// </summary>
internal sealed unsafe class Epoll : IDisposable
{
    internal const uint In = 1, Out = 4, Error = 8, HangUp = 0x10, PeerClosed = 0x2000;
    private const uint EdgeTriggered = 1u << 31;
    private const int Add = 1;
    private const int MaxEvents = 256;

    // struct epoll_event is packed on x86-64 only (EPOLL_PACKED in uapi/linux/eventpoll.h).
    private static readonly int Stride = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataAt = Stride - sizeof(ulong);
    private readonly int _fd;
    private readonly byte* _events;

    internal Epoll()
    {
        _fd = Libc.epoll_create1(Libc.O_CLOEXEC);
        if (_fd < 0) throw Libc.Failure("epoll_create1");
        _events = (byte*)NativeMemory.AllocZeroed(MaxEvents, 16);
    }

    /// <summary>Watches a non-blocking descriptor until it is closed.</summary>
    internal void Watch(int fd)
    {
        // Safe: 16 bytes hold either layout of the struct, and the kernel copies it before the call returns.
        byte* one = stackalloc byte[16];
        *(uint*)one = In | Out | PeerClosed | EdgeTriggered;
        *(ulong*)(one + DataAt) = (ulong)fd;
        if (Libc.epoll_ctl(_fd, Add, fd, one) < 0) throw Libc.Failure("epoll_ctl");
    }

    /// <summary>How many events came within <paramref name="nanoseconds"/> (negative: wait without limit).</summary>
    internal int Wait(long nanoseconds)
    {
        var timeout = new Libc.TimeSpec { Seconds = nanoseconds / 1_000_000_000, Nanoseconds = nanoseconds % 1_000_000_000 };
        // Safe: the buffer holds MaxEvents events of at most 16 bytes.
        int count = Libc.epoll_pwait2(_fd, _events, MaxEvents, nanoseconds < 0 ? null : &timeout, null);
        if (count >= 0) return count;
        return Marshal.GetLastPInvokeError() == Libc.EINTR ? 0 : throw Libc.Failure("epoll_pwait2");
    }

    /// <summary>Event <paramref name="index"/> of the last <see cref="Wait"/>.</summary>
    internal (int Fd, uint Ready) this[int index]
    {
        get
        {
            // Safe: callers stay below the count that Wait returned, at most MaxEvents.
            byte* one = _events + (index * Stride);
            return ((int)*(ulong*)(one + DataAt), *(uint*)one);
        }
    }

    public void Dispose()
    {
        Libc.close(_fd);
        NativeMemory.Free(_events);
    }
}
