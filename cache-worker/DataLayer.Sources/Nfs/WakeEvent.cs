using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Sources.Nfs;

/// <summary>Ends another thread's <see cref="Poll.Wait"/>: an eventfd. Safe for concurrent use until disposed.</summary>
internal sealed unsafe partial class WakeEvent : IDisposable
{
    const int EFD_CLOEXEC = 0x80000, EFD_NONBLOCK = 0x800;

    readonly SafeFileHandle _fd;

    public WakeEvent()
    {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0) throw new IOException($"eventfd failed: {Marshal.GetLastPInvokeErrorMessage()}");
        _fd = new SafeFileHandle(fd, ownsHandle: true);
    }

    public SafeFileHandle Handle => _fd;

    public void Set()
    {
        ulong one = 1;
        // Safety: 8 bytes of this stack. Fails only when the count is full: then it is set already.
        _ = write(_fd, &one, sizeof(ulong));
    }

    public void Reset()
    {
        ulong count;
        // Safety: 8 bytes of this stack. EAGAIN when it was not set.
        _ = read(_fd, &count, sizeof(ulong));
    }

    public void Dispose() => _fd.Dispose();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(SafeFileHandle fd, void* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(SafeFileHandle fd, void* buffer, nuint count);
}

internal static unsafe partial class Poll
{
    public const short In = 1, Out = 4, Error = 8, HangUp = 16;

    /// <summary>struct pollfd of poll(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    struct PollFd
    {
        public int Fd;
        public short Events;
        public short Revents;
    }

    /// <summary>Waits for the socket, the wake event or the time, whichever comes first.</summary>
    /// <param name="socket">Below 0: none.</param>
    /// <returns>The socket's events; 0 also when a signal interrupted the wait.</returns>
    public static short Wait(int socket, short events, WakeEvent wake, int milliseconds)
    {
        bool held = false;
        try
        {
            wake.Handle.DangerousAddRef(ref held);
            PollFd* fds = stackalloc PollFd[2];
            fds[0] = new PollFd { Fd = socket, Events = events };
            fds[1] = new PollFd { Fd = (int)wake.Handle.DangerousGetHandle(), Events = In };
            // Safety: two elements of this stack; the event's descriptor is kept open by the reference above.
            if (poll(fds, 2, milliseconds) <= 0) return 0;
            return fds[0].Revents;
        }
        finally
        {
            if (held) wake.Handle.DangerousRelease();
        }
    }

    public static void SetNoDelay(int socket)
    {
        const int IPPROTO_TCP = 6, TCP_NODELAY = 1;
        int on = 1;
        // Safety: 4 bytes of this stack. A failure costs speed only.
        _ = setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(int));
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollFd* fds, nuint count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int socket, int level, int option, void* value, uint length);
}
