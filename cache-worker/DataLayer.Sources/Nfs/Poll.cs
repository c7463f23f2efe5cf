using System.Runtime.InteropServices;

namespace DataLayer.Sources.Nfs;

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
