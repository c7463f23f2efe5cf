using System.Text;

namespace DataLayer.Fuse;

/// <param name="Path">The mount point; bytes that are no UTF-8 are replaced.</param>
/// <param name="ConnectionId">N of /sys/fs/fuse/connections/N.</param>
public sealed record FuseMountInfo(string Path, string Source, int ConnectionId);

/// <summary>Mount points as the machine has them, whoever mounted them.</summary>
public static unsafe class FuseMountPoint
{
    const int Detach = 2;
    const int NoFollow = 8;

    /// <summary>statfs(2) always asks the daemon. A live one answers in microseconds; one that does not within this time is
    /// busy or hung, but not gone.</summary>
    static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Detaches mounts whose process is gone ("Transport endpoint is not connected"), so that the path can be used again.
    /// </summary>
    /// <returns>True if there was one.</returns>
    /// <exception cref="FuseException">There is one and it cannot be detached.</exception>
    public static bool RecoverStale(string path)
    {
        string resolved = MountPath.Resolve(path);
        byte[] raw = Encoding.UTF8.GetBytes(resolved);
        bool found = false;
        while (MountTable.TopAt(raw) is { } entry && IsDead(resolved, entry))
        {
            UnmountTop(resolved, lazy: true);
            found = true;
        }
        return found;
    }

    /// <summary>Unmounts as root by umount2, otherwise through fusermount3. What is not mounted is success (false).</summary>
    /// <param name="lazy">Also when it is in use: it vanishes from the path now and ends with its last user.</param>
    /// <exception cref="FuseException">It is in use, or not ours to unmount.</exception>
    public static bool Unmount(string path, bool lazy = false)
    {
        string resolved = MountPath.Resolve(path);
        if (MountTable.TopAt(Encoding.UTF8.GetBytes(resolved)) is not { } entry) return false;
        if (!IsFuse(entry)) throw new FuseException($"{resolved} is a mount of type {entry.Type}, not of FUSE; left alone.", Errno.EINVAL);
        UnmountTop(resolved, lazy);
        return true;
    }

    /// <summary>Mounts of type fuse.SUBTYPE in this mount namespace.</summary>
    public static IReadOnlyList<FuseMountInfo> List(string subtype = "datalayer") =>
        [.. MountTable.Read().Where(entry => entry.Type == "fuse." + subtype)
            .Select(static entry => new FuseMountInfo(Encoding.UTF8.GetString(entry.Path), entry.Source, entry.Minor))];

    /// <summary>The mount of type fuse.SUBTYPE that a path reaches, if it is a mount point of one.</summary>
    public static FuseMountInfo? Find(string path, string subtype = "datalayer")
    {
        string resolved = MountPath.Resolve(path);
        // The last one: mounts may be stacked, and the newest is what a path reaches.
        return List(subtype).LastOrDefault(mount => mount.Path == resolved);
    }

    /// <summary>
    /// Ends a connection at once, whoever serves it and wherever it is mounted: all callers get ECONNABORTED.
    /// </summary>
    /// <param name="connectionId">As <see cref="FuseMountInfo.ConnectionId"/>.</param>
    /// <returns>False when there is no such connection.</returns>
    /// <exception cref="FuseException">Not permitted.</exception>
    public static bool Abort(int connectionId)
    {
        using FuseControl? control = FuseControl.TryOpen(connectionId);
        Errno errno = control?.Abort() ?? (Libc.GetEffectiveUserId() == 0 ? Errno.ENOENT : Errno.EPERM);
        if (errno is Errno.None or Errno.ENOENT) return errno == Errno.None;
        throw new FuseException($"Cannot abort FUSE connection {connectionId}: {errno}; run as root or as the user who mounted it.", errno);
    }

    /// <summary>A FUSE mount whose connection has ended. Never true for one that merely does not answer.</summary>
    internal static bool IsDead(string resolved, MountEntry entry)
    {
        if (!IsFuse(entry)) return false;
        Errno errno = Errno.None;
        // On a thread of its own: a hung daemon would keep the probe, and nothing but its end can take it back.
        Thread probe = new(() => errno = Probe(resolved)) { IsBackground = true, Name = "fuse-probe" };
        probe.Start();
        return probe.Join(ProbePatience) && errno is Errno.ENOTCONN or Errno.ECONNABORTED;
    }

    static bool IsFuse(MountEntry entry) => entry.Type == "fuse" || entry.Type.StartsWith("fuse.", StringComparison.Ordinal);

    static Errno Probe(string resolved)
    {
        byte* result = stackalloc byte[256];
        // Safe: the path is pinned and ends with NUL; the result has twice the size of struct statfs.
        fixed (byte* path = MountPath.Terminated(resolved)) return Libc.StatFs(path, result) == 0 ? Errno.None : Libc.LastError;
    }

    static void UnmountTop(string resolved, bool lazy)
    {
        if (Libc.GetEffectiveUserId() != 0)
        {
            if (Fusermount.Unmount(resolved, lazy) is { } message) throw new FuseException($"Cannot unmount {resolved}: {message}.", Errno.EPERM);
            return;
        }
        // Safe: the path is pinned and ends with NUL.
        fixed (byte* path = MountPath.Terminated(resolved))
        {
            if (Libc.Unmount(path, NoFollow | (lazy ? Detach : 0)) == 0) return;
        }
        Errno errno = Libc.LastError;
        throw new FuseException(errno == Errno.EBUSY
            ? $"Cannot unmount {resolved}: files below it are open; close them, or detach it (--lazy)."
            : $"Cannot unmount {resolved}: {errno}.", errno);
    }
}
