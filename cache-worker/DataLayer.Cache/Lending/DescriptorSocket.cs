using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace DataLayer.Cache;

/// <summary>Passes open files over a unix socket (SCM_RIGHTS), which .NET's sockets do not.</summary>
internal static unsafe partial class DescriptorSocket
{
    const int SOL_SOCKET = 1, SCM_RIGHTS = 1;
    const int MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000;
    const int EINTR = 4;

    /// <summary>Data and sidecar.</summary>
    public const int FilesPerMessage = 2;

    // cmsghdr of 64-bit Linux: length (8 bytes), level (4), type (4), then the descriptors; padded to 8.
    const int ControlHeader = 16, ControlLength = ControlHeader + FilesPerMessage * sizeof(int);

    struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    // struct msghdr of 64-bit Linux.
    [StructLayout(LayoutKind.Sequential)]
    struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint ReceiveMessage(int socket, MessageHeader* message, int flags);

    /// <summary>Sends a frame, with the two files if they are given. False when the peer is gone or does not read.</summary>
    public static bool TrySend(Socket socket, ReadOnlySpan<byte> frame, BlockDescriptors? files)
    {
        byte* control = stackalloc byte[ControlLength];
        MessageHeader message = default;
        if (files is { } lent)
        {
            *(nuint*)control = ControlLength;
            ((int*)control)[2] = SOL_SOCKET;
            ((int*)control)[3] = SCM_RIGHTS;
            ((int*)control)[4] = lent.Data;
            ((int*)control)[5] = lent.Sums;
            message.Control = control;
            message.ControlLength = ControlLength;
        }
        // Safe: everything the message points to lives on this stack frame or is pinned.
        fixed (byte* start = frame)
        {
            IoVector vector = new() { Base = start, Length = (nuint)frame.Length };
            message.Vectors = &vector;
            message.VectorCount = 1;
            nint sent;
            do sent = SendMessage((int)socket.Handle, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
            while (sent < 0 && Marshal.GetLastPInvokeError() == EINTR);
            // Frames are far smaller than a socket's buffer: one that goes in part means a peer that has stopped reading.
            return sent == frame.Length;
        }
    }

    /// <summary>Fills the span, waiting for it; takes what files come with it. False when the connection ends.</summary>
    public static bool TryReceive(Socket socket, Span<byte> destination, List<int> files)
    {
        byte* control = stackalloc byte[ControlLength];
        fixed (byte* start = destination)
        {
            for (int done = 0; done < destination.Length;)
            {
                new Span<byte>(control, ControlLength).Clear();
                IoVector vector = new() { Base = start + done, Length = (nuint)(destination.Length - done) };
                MessageHeader message = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlLength };
                // Safe: everything the message points to lives on this stack frame or is pinned.
                nint got = ReceiveMessage((int)socket.Handle, &message, MSG_CMSG_CLOEXEC);
                if (got < 0 && Marshal.GetLastPInvokeError() == EINTR) continue;
                if (got <= 0) return false;
                if (message.ControlLength >= ControlHeader && ((int*)control)[2] == SOL_SOCKET && ((int*)control)[3] == SCM_RIGHTS)
                {
                    int count = (int)(*(nuint*)control - ControlHeader) / sizeof(int);
                    for (int i = 0; i < Math.Min(count, FilesPerMessage); i++) files.Add(((int*)control)[4 + i]);
                }
                done += (int)got;
            }
        }
        return true;
    }
}
