using System.Text;

namespace DataLayer.Fuse;

/// <summary>
/// fusectl: aborts a connection by its number, whatever namespaces hold mounts of it. Where it is not mounted at its place a
/// private mount is made that no path shows (needs CAP_SYS_ADMIN).
/// </summary>
static unsafe class FuseControl
{
    public const string Root = "/sys/fs/fuse/connections";

    const nint FsOpen = 430;
    const nint FsConfig = 431;
    const nint FsMount = 432;
    const nint ConfigCreate = 6;
    const nint FsOpenCloseOnExec = 1;
    const nint FsMountCloseOnExec = 1;

    /// <returns>None, or why it could not: ENOENT when there is no such connection (any more), EPERM or EACCES.</returns>
    public static Errno Abort(int connectionId)
    {
        if (TryAbort(Libc.Open($"{Root}/{connectionId}/abort", Libc.OpenWriteOnly | Libc.OpenCloseOnExec), out Errno direct)) return direct;
        int control = MountPrivately();
        if (control < 0) return direct;
        try
        {
            return TryAbort(Libc.OpenAt(control, $"{connectionId}/abort", Libc.OpenWriteOnly | Libc.OpenCloseOnExec), out Errno errno) ? errno : Errno.ENOENT;
        }
        finally
        {
            Libc.Close(control);
        }
    }

    /// <summary>False when the file could not be opened.</summary>
    static bool TryAbort(int file, out Errno errno)
    {
        errno = file < 0 ? Libc.LastError : Errno.None;
        if (file < 0) return false;
        byte one = (byte)'1';
        // Safe: one byte on the stack.
        if (Libc.Write(file, &one, 1) != 1) errno = Libc.LastError;
        Libc.Close(file);
        return true;
    }

    /// <returns>A descriptor of the mount's root, or -1.</returns>
    static int MountPrivately()
    {
        // Safe: the name is pinned and ends with NUL.
        fixed (byte* name = Encoding.UTF8.GetBytes("fusectl\0"))
        {
            int context = (int)Libc.SystemCall(FsOpen, (nint)name, FsOpenCloseOnExec, 0, 0, 0, 0);
            if (context < 0) return -1;
            int mount = Libc.SystemCall(FsConfig, context, ConfigCreate, 0, 0, 0, 0) == 0
                ? (int)Libc.SystemCall(FsMount, context, FsMountCloseOnExec, 0, 0, 0, 0)
                : -1;
            Libc.Close(context);
            return mount;
        }
    }
}
