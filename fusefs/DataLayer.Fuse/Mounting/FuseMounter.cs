using System.Text;

namespace DataLayer.Fuse;

/// <summary>Makes the mount: by mount(2) with the privilege for it, otherwise through fusermount3.</summary>
static unsafe class FuseMounter
{
    const nuint ReadOnly = 1;
    const nuint NoSetUid = 2;
    const nuint NoDevices = 4;

    /// <param name="path">As <see cref="MountPath.Resolve"/> gives it.</param>
    /// <returns>The connection's descriptor. INIT waits in it.</returns>
    public static FuseDevice Mount(string path, FuseOptions options)
    {
        CheckMountPoint(path);
        if (Libc.GetEffectiveUserId() != 0) return Fusermount.Mount(path, options);
        FuseDevice device = FuseDevice.Open();
        Errno errno = MountDirectly(path, device, options);
        if (errno == Errno.None) return device;
        device.Dispose();
        // Root of a container without CAP_SYS_ADMIN: the set-uid helper does not help there either, so say what does.
        throw new FuseException(errno switch
        {
            Errno.EPERM => $"Cannot mount on {path}: not permitted; mounting needs CAP_SYS_ADMIN (in a container: a privileged one, or the CSI driver).",
            Errno.ENODEV => $"Cannot mount on {path}: this kernel has no FUSE; load the module (modprobe fuse).",
            _ => $"Cannot mount on {path}: {errno}.",
        }, errno);
    }

    static Errno MountDirectly(string path, FuseDevice device, FuseOptions options)
    {
        // The read-only flag keeps the VFS from ever asking for atime updates, each of which would drop cached attributes.
        StringBuilder data = new();
        data.Append($"fd={device.Descriptor},rootmode=40000,user_id={Libc.GetEffectiveUserId()},group_id={Libc.GetEffectiveGroupId()}");
        data.Append($",max_read={options.MaxRead}");
        if (options.DefaultPermissions) data.Append(",default_permissions");
        if (options.AllowOther) data.Append(",allow_other");
        // Safe: the path is pinned and ends with NUL.
        fixed (byte* target = MountPath.Terminated(path))
        {
            return Libc.Mount(options.Source, target, "fuse." + options.Subtype, ReadOnly | NoSetUid | NoDevices, data.ToString()) == 0
                ? Errno.None
                : Libc.LastError;
        }
    }

    static void CheckMountPoint(string path)
    {
        if (MountTable.TopAt(Encoding.UTF8.GetBytes(path)) is { } entry && FuseMountPoint.IsDead(path, entry))
            throw new FuseException($"Cannot mount on {path}: a mount of a process that is gone lies there; detach it (umount -l {path}).", Errno.ENOTCONN);
        if (Directory.Exists(path)) return;
        throw File.Exists(path)
            ? new FuseException($"Cannot mount on {path}: it is a file; give a directory.", Errno.ENOTDIR)
            : new FuseException($"Cannot mount on {path}: there is no such directory; create it first.", Errno.ENOENT);
    }
}
