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
