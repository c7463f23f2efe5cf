using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>An open /dev/fuse descriptor, the first of a connection or a clone of it. Thread-safe.</summary>
sealed unsafe class FuseDevice : IDisposable
{
    public const string Path = "/dev/fuse";

    // _IOR(229, 0, u32), _IOW(229, 1, struct fuse_backing_map), _IOW(229, 2, u32) of linux/fuse.h.
    const nuint CloneCommand = 0x8004_E500;
    const nuint BackingOpenCommand = 0x4010_E501;
    const nuint BackingCloseCommand = 0x4004_E502;

    readonly SafeFileHandle _handle;

    /// <summary>Takes ownership of an open descriptor.</summary>
    public FuseDevice(SafeFileHandle handle)
    {
        _handle = handle;
        Descriptor = (int)handle.DangerousGetHandle();
    }

    /// <summary>
    /// For the options of mount(2) and for <see cref="Read"/>. Not a licence to write: once closed, the number may belong to
    /// any other file.
    /// </summary>
    public int Descriptor { get; }

    public SafeFileHandle Handle => _handle;

    public static FuseDevice Open()
    {
        int descriptor = Libc.Open(Path, Libc.OpenReadWrite | Libc.OpenCloseOnExec);
        if (descriptor >= 0) return new FuseDevice(new SafeFileHandle(descriptor, ownsHandle: true));
        Errno errno = Libc.LastError;
        string remedy = errno switch
        {
            Errno.ENOENT or Errno.ENODEV or Errno.ENXIO => "load the kernel module (modprobe fuse) or, in a container, pass the device in (--device /dev/fuse)",
            Errno.EACCES or Errno.EPERM => "run as root or let this user open it (chmod 666 /dev/fuse); in a container allow the device",
            _ => "check the device",
        };
        throw new FuseException($"Cannot open {Path}: {errno}; {remedy}.", errno);
    }

    /// <summary>Another descriptor of the same connection, with a queue of requests in progress of its own.</summary>
    /// <returns>Null where the process may not open /dev/fuse or the kernel cannot clone.</returns>
    public FuseDevice? TryClone()
    {
        int descriptor = Libc.Open(Path, Libc.OpenReadWrite | Libc.OpenCloseOnExec);
        if (descriptor < 0) return null;
        uint original = (uint)Descriptor;
        // Safe: the kernel reads one u32 from the stack.
        if (Libc.Ioctl(descriptor, CloneCommand, &original) == 0) return new FuseDevice(new SafeFileHandle(descriptor, ownsHandle: true));
        Libc.Close(descriptor);
        return null;
    }

    /// <returns>A positive id, or a negative errno.</returns>
    public int BackingOpen(SafeFileHandle file)
    {
        if (!TryHold()) return -(int)Errno.ENODEV;
        bool added = false;
        try
        {
            file.DangerousAddRef(ref added);
            FuseBackingMap map = new() { Fd = (int)file.DangerousGetHandle() };
            // Safe: the kernel reads 16 bytes from the stack.
            int id = Libc.Ioctl(Descriptor, BackingOpenCommand, &map);
            return id > 0 ? id : -(int)Libc.LastError;
        }
        finally
        {
            if (added) file.DangerousRelease();
            _handle.DangerousRelease();
        }
    }

    public Errno BackingClose(int id)
    {
        if (!TryHold()) return Errno.ENODEV;
        // Safe: the kernel reads one u32 from the stack.
        Errno errno = Libc.Ioctl(Descriptor, BackingCloseCommand, &id) == 0 ? Errno.None : Libc.LastError;
        _handle.DangerousRelease();
        return errno;
    }

    /// <summary>Writes one answer or notification in one call, as the kernel demands.</summary>
    /// <returns>ENODEV when the device is closed: a deferred request may be answered long after the mount is gone.</returns>
    public Errno Write(ReadOnlySpan<byte> header, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        if (!TryHold()) return Errno.ENODEV;
        try
        {
            return WriteHeld(header, head, data);
        }
        finally
        {
            _handle.DangerousRelease();
        }
    }

    Errno WriteHeld(ReadOnlySpan<byte> header, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        // Safe: the spans are pinned for the call, and the kernel only reads from them.
        fixed (byte* headerAt = header, headAt = head, dataAt = data)
        {
            IoVec* vectors = stackalloc IoVec[3];
            vectors[0] = new IoVec { Base = headerAt, Length = (nuint)header.Length };
            int count = 1;
            if (!head.IsEmpty) vectors[count++] = new IoVec { Base = headAt, Length = (nuint)head.Length };
            if (!data.IsEmpty) vectors[count++] = new IoVec { Base = dataAt, Length = (nuint)data.Length };
            while (true)
            {
                if (Libc.WriteV(Descriptor, vectors, count) >= 0) return Errno.None;
                Errno errno = Libc.LastError;
                // A signal can only arrive before the kernel looked at the answer.
                if (errno != Errno.EINTR) return errno;
            }
        }
    }

    /// <summary>Reads one request. Only by who owns the device, so that it cannot be closed meanwhile.</summary>
    /// <returns>Its length, or -1.</returns>
    public int Read(Span<byte> buffer, out Errno errno)
    {
        // Safe: the buffer is pinned for the call.
        fixed (byte* at = buffer)
        {
            nint length = Libc.Read(Descriptor, at, buffer.Length);
            errno = length < 0 ? Libc.LastError : Errno.None;
            return (int)length;
        }
    }

    /// <summary>Waits for a request.</summary>
    /// <returns>False when none came in time.</returns>
    public bool WaitReadable(TimeSpan timeout)
    {
        PollFd poll = new() { Descriptor = Descriptor, Events = Libc.PollIn };
        // Safe: one pollfd on the stack.
        return Libc.Poll(&poll, 1, (int)timeout.TotalMilliseconds) > 0;
    }

    /// <summary>The kernel says so to whoever polls.</summary>
    public bool IsEnded
    {
        get
        {
            PollFd poll = new() { Descriptor = Descriptor };
            // Safe: one pollfd on the stack.
            return Libc.Poll(&poll, 1, 0) > 0 && (poll.ReturnedEvents & Libc.PollError) != 0;
        }
    }

    /// <summary>Whether reading returns EAGAIN instead of waiting, for everybody who has this descriptor.</summary>
    public void SetBlocking(bool blocking)
    {
        const int getFlags = 3, setFlags = 4, nonBlocking = 0x800;
        int flags = Libc.Fcntl(Descriptor, getFlags, 0);
        Libc.Fcntl(Descriptor, setFlags, blocking ? flags & ~nonBlocking : flags | nonBlocking);
    }

    /// <summary>The descriptor is closed once the last call that uses it has returned.</summary>
    public void Dispose() => _handle.Dispose();

    /// <summary>Keeps the descriptor open until <c>DangerousRelease</c>. False once it is closed.</summary>
    bool TryHold()
    {
        if (_handle.IsClosed) return false;
        bool held = false;
        try
        {
            _handle.DangerousAddRef(ref held);
        }
        catch (ObjectDisposedException)
        {
            // Closed between the two lines.
        }
        return held;
    }
}
