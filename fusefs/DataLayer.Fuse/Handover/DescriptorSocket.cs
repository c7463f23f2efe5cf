using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// A local socket whose messages carry open descriptors (SCM_RIGHTS). A message arrives whole or not at all
/// (SOCK_SEQPACKET). One thread may send while another receives.
/// </summary>
public sealed unsafe class DescriptorSocket : IDisposable
{
    /// <summary>Bytes of one message: below the kernel's default send buffer of 208 KiB, so that it never fails for its size.</summary>
    public const int LongestMessage = 128 << 10;

    /// <summary>SCM_MAX_FD of the kernel.</summary>
    const int MostDescriptors = 253;

    const int UnixDomain = 1, SequentialPackets = 5, CloseOnExec = 0x80000;
    const int SocketLevel = 1, RightsMessage = 1, PeerCredentials = 17;
    const int NoSignal = 0x4000, ReceiveCloseOnExec = 0x4000_0000;
    const int ControlHead = 16; // cmsghdr of 64-bit Linux: length (8 bytes), level (4), type (4)
    const int LongestPath = 107;

    readonly SafeFileHandle _socket;

    DescriptorSocket(int descriptor) => _socket = new SafeFileHandle(descriptor, ownsHandle: true);

    /// <summary>For poll.</summary>
    public SafeFileHandle Handle => _socket;

    /// <summary>Process at the other end, as it was when it connected.</summary>
    public int PeerProcess
    {
        get
        {
            int* credentials = stackalloc int[3];
            int length = 12;
            // Safe: struct ucred is three ints, on the stack.
            return Libc.GetSocketOption(Descriptor, SocketLevel, PeerCredentials, credentials, &length) == 0 ? credentials[0] : throw Failure("ask for the peer");
        }
    }

    int Descriptor => (int)_socket.DangerousGetHandle();

    /// <summary>Listens at a path, in the place of whatever lies there.</summary>
    /// <exception cref="FuseException"/>
    public static DescriptorSocket Listen(string path)
    {
        DescriptorSocket socket = Create();
        File.Delete(path);
        byte[] address = AddressOf(path);
        // Safe: the address is pinned for the call.
        fixed (byte* at = address)
        {
            if (Libc.Bind(socket.Descriptor, at, address.Length) == 0 && Libc.Listen(socket.Descriptor, 64) == 0) return socket;
        }
        FuseException failure = Failure($"listen at {path}");
        socket.Dispose();
        throw failure;
    }

    /// <returns>Null when nobody listens there.</returns>
    public static DescriptorSocket? TryConnect(string path)
    {
        DescriptorSocket socket = Create();
        byte[] address = AddressOf(path);
        // Safe: the address is pinned for the call.
        fixed (byte* at = address)
        {
            if (Libc.Connect(socket.Descriptor, at, address.Length) == 0) return socket;
        }
        Errno errno = Libc.LastError;
        socket.Dispose();
        const Errno refused = (Errno)111;
        return errno is Errno.ENOENT or refused ? null : throw new FuseException($"Cannot connect to {path}: {errno}.", errno);
    }

    public DescriptorSocket Accept()
    {
        int descriptor;
        do descriptor = Libc.Accept(Descriptor, null, null, CloseOnExec);
        while (descriptor < 0 && Libc.LastError == Errno.EINTR);
        return descriptor >= 0 ? new DescriptorSocket(descriptor) : throw Failure("accept");
    }

    /// <returns>False when the other end is gone.</returns>
    /// <exception cref="FuseException">Too long, or too many descriptors.</exception>
    public bool Send(ReadOnlySpan<byte> message, IReadOnlyList<SafeHandle> descriptors)
    {
        if (message.IsEmpty || message.Length > LongestMessage || descriptors.Count > MostDescriptors)
            throw new FuseException($"A message of {message.Length} bytes with {descriptors.Count} descriptors is too large.", Errno.EINVAL);
        byte* control = stackalloc byte[ControlHead + MostDescriptors * sizeof(int)];
        int held = 0;
        try
        {
            for (; held < descriptors.Count; held++)
            {
                bool added = false;
                descriptors[held].DangerousAddRef(ref added);
                ((int*)(control + ControlHead))[held] = (int)descriptors[held].DangerousGetHandle();
            }
            return Send(message, control, descriptors.Count);
        }
        finally
        {
            while (--held >= 0) descriptors[held].DangerousRelease();
        }
    }

    bool Send(ReadOnlySpan<byte> bytes, byte* control, int descriptors)
    {
        // Safe: the bytes are pinned for the call, the rest lives on the callers' stacks.
        fixed (byte* at = bytes)
        {
            IoVec vector = new() { Base = at, Length = (nuint)bytes.Length };
            MessageHeader message = new() { Vectors = &vector, VectorCount = 1 };
            if (descriptors > 0)
            {
                *(long*)control = ControlHead + descriptors * sizeof(int);
                ((int*)control)[2] = SocketLevel;
                ((int*)control)[3] = RightsMessage;
                message.Control = control;
                message.ControlLength = (nuint)(ControlHead + (descriptors * sizeof(int) + 7) / 8 * 8);
            }
            while (Libc.SendMessage(Descriptor, &message, NoSignal) < 0)
            {
                const Errno brokenPipe = (Errno)32, reset = (Errno)104;
                if (Libc.LastError is brokenPipe or reset or Errno.ENOTCONN) return false;
                if (Libc.LastError != Errno.EINTR) throw Failure("send");
            }
            return true;
        }
    }

    /// <summary>Waits for a message.</summary>
    /// <param name="descriptors">The caller's to close; close-on-exec.</param>
    /// <returns>Null when the other end is gone.</returns>
    public byte[]? Receive(out SafeFileHandle[] descriptors)
    {
        byte[] buffer = new byte[LongestMessage];
        byte* control = stackalloc byte[ControlHead + (MostDescriptors + 1) * sizeof(int)];
        MessageHeader message;
        nint length;
        // Safe: the buffer is pinned for the call, the rest lives on this stack frame.
        fixed (byte* at = buffer)
        {
            IoVec vector = new() { Base = at, Length = (nuint)buffer.Length };
            do
            {
                message = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlHead + (MostDescriptors + 1) * sizeof(int) };
                length = Libc.ReceiveMessage(Descriptor, &message, ReceiveCloseOnExec);
            }
            while (length < 0 && Libc.LastError == Errno.EINTR);
        }
        descriptors = [];
        if (length <= 0) return null;
        if (message.ControlLength >= ControlHead && ((int*)control)[2] == SocketLevel && ((int*)control)[3] == RightsMessage)
        {
            int count = (int)((*(long*)control - ControlHead) / sizeof(int));
            descriptors = [.. Enumerable.Range(0, count).Select(index => new SafeFileHandle(((int*)(control + ControlHead))[index], ownsHandle: true))];
        }
        return buffer[..(int)length];
    }

    public void Dispose() => _socket.Dispose();

    static DescriptorSocket Create()
    {
        int descriptor = Libc.Socket(UnixDomain, SequentialPackets | CloseOnExec, 0);
        return descriptor >= 0 ? new DescriptorSocket(descriptor) : throw Failure("make a socket");
    }

    static byte[] AddressOf(string path)
    {
        byte[] name = Encoding.UTF8.GetBytes(path);
        if (name.Length > LongestPath) throw new FuseException($"{path} is too long for a socket: {name.Length} bytes, at most {LongestPath}.", Errno.ENAMETOOLONG);
        return [UnixDomain, 0, .. name, 0];
    }

    static FuseException Failure(string what)
    {
        Errno errno = Libc.LastError;
        return new FuseException($"Cannot {what}: {errno}.", errno);
    }
}
