using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// The directory of one connection in fusectl: aborts it, whatever namespaces hold mounts of it. Opened while the connection
/// is known to live, because its number is given to another one later. Thread-safe.
/// </summary>
sealed unsafe class FuseControl : IDisposable
{
    const string Root = "/sys/fs/fuse/connections";

    const int OpenPath = 0x20_0000;

    // System call numbers from 424 on are the same on all architectures.
    const nint FsOpen = 430;
    const nint FsConfig = 431;
    const nint FsMount = 432;
    const nint ConfigCreate = 6;
    const nint CloseOnExec = 1;

    readonly Lock _lock = new();
    readonly SafeFileHandle _directory;

    FuseControl(int directory) => _directory = new SafeFileHandle(directory, ownsHandle: true);

    /// <summary>
    /// Opens the directory where fusectl is mounted, or in a private mount that no path shows (needs CAP_SYS_ADMIN).
    /// </summary>
    /// <returns>Null where neither is possible, or there is no such connection.</returns>
    public static FuseControl? TryOpen(int connectionId)
    {
        int directory = Libc.Open($"{Root}/{connectionId}", OpenPath | Libc.OpenCloseOnExec);
        if (directory >= 0) return new FuseControl(directory);
        int root = MountPrivately();
        if (root < 0) return null;
        directory = Libc.OpenAt(root, $"{connectionId}", OpenPath | Libc.OpenCloseOnExec);
        Libc.Close(root);
        return directory < 0 ? null : new FuseControl(directory);
    }

    /// <returns>None; ENOENT when the connection is gone; EACCES or EPERM when it is another user's.</returns>
    public Errno Abort()
    {
        lock (_lock)
        {
            if (_directory.IsClosed) return Errno.ENOENT;
            int file = Libc.OpenAt((int)_directory.DangerousGetHandle(), "abort", Libc.OpenWriteOnly | Libc.OpenCloseOnExec);
            if (file < 0) return Libc.LastError;
            byte one = (byte)'1';
            // Safe: one byte on the stack.
            Errno errno = Libc.Write(file, &one, 1) == 1 ? Errno.None : Libc.LastError;
            Libc.Close(file);
            return errno;
        }
    }

    public void Dispose()
    {
        lock (_lock) _directory.Dispose();
    }

    /// <returns>A descriptor of the mount's root, or -1. Closing it leaves the mount to what was opened below it.</returns>
    static int MountPrivately()
    {
        // Safe: the name is pinned and ends with NUL.
        fixed (byte* name = Encoding.UTF8.GetBytes("fusectl\0"))
        {
            int context = (int)Libc.SystemCall(FsOpen, (nint)name, CloseOnExec, 0, 0, 0, 0);
            if (context < 0) return -1;
            int mount = Libc.SystemCall(FsConfig, context, ConfigCreate, 0, 0, 0, 0) == 0
                ? (int)Libc.SystemCall(FsMount, context, CloseOnExec, 0, 0, 0, 0)
                : -1;
            Libc.Close(context);
            return mount;
        }
    }
}
