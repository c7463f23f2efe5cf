namespace DataLayer.Fuse;

/// <summary>Mount points as the machine has them, whoever mounted them.</summary>
public static class FuseMountPoint
{
    /// <summary>
    /// Detaches a mount whose process is gone ("Transport endpoint is not connected"), so that the path can be mounted again.
    /// </summary>
    /// <returns>True if there was one.</returns>
    public static bool RecoverStale(string path) => throw new NotImplementedException();

    /// <summary>Unmounts as root by umount2, otherwise through fusermount3. What is not mounted is success (false).</summary>
    public static bool Unmount(string path) => throw new NotImplementedException();

    /// <summary>Mounts of type fuse.SUBTYPE in this mount namespace.</summary>
    public static IReadOnlyList<FuseMountInfo> List(string subtype = "datalayer") => throw new NotImplementedException();
}

/// <param name="Path">The mount point; bytes that are no UTF-8 are replaced.</param>
/// <param name="ConnectionId">N of /sys/fs/fuse/connections/N.</param>
public sealed record FuseMountInfo(string Path, string Source, int ConnectionId);
