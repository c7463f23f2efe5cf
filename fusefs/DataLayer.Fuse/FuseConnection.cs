namespace DataLayer.Fuse;

/// <summary>One kernel FUSE connection and the threads that serve it.</summary>
public sealed class FuseConnection : IDisposable
{
    /// <summary>
    /// Mounts and serves. Returns when the mount is usable.
    /// </summary>
    /// <param name="mountPoint">An existing directory.</param>
    /// <exception cref="FuseException">One line that names the path and the remedy.</exception>
    public static FuseConnection Mount(string mountPoint, IFuseFileSystem fileSystem, FuseOptions options) => throw new NotImplementedException();

    public string MountPoint => throw new NotImplementedException();

    public FuseNegotiation Negotiation => throw new NotImplementedException();

    /// <summary>The transport in use, never Auto.</summary>
    public FuseTransportKind Transport => throw new NotImplementedException();

    /// <summary>N of /sys/fs/fuse/connections/N.</summary>
    public int ConnectionId => throw new NotImplementedException();

    /// <summary>Completes when the connection has ended and all threads are gone: unmount, abort, or a lost device.</summary>
    public Task Completion => throw new NotImplementedException();

    /// <summary>Unmounts; while files are open, detaches the mount so that it ends with the last of them.</summary>
    public void Unmount() => throw new NotImplementedException();

    /// <summary>Ends the connection at once, for every mount of it in every namespace: callers get ECONNABORTED.</summary>
    public void Abort() => throw new NotImplementedException();

    /// <summary>Drops cached pages in a range, and cached attributes. Length 0: to the end; offset -1: attributes only.</summary>
    /// <returns>None, or ENOENT when the kernel does not know the node.</returns>
    public Errno InvalidateInode(FuseNodeId node, long offset = 0, long length = 0) => throw new NotImplementedException();

    /// <summary>Drops one name. <paramref name="expireOnly"/> makes the kernel look it up again but keeps what is open or mounted below.</summary>
    public Errno InvalidateEntry(FuseNodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false) => throw new NotImplementedException();

    /// <summary>As <see cref="InvalidateEntry"/> for a name that is gone: inotify watchers are told.</summary>
    public Errno NotifyDelete(FuseNodeId parent, FuseNodeId child, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>Expires every cached name of the mount at once (7.44). ENOSYS on older kernels: use InvalidateEntry.</summary>
    public Errno IncrementEpoch() => throw new NotImplementedException();

    /// <summary>Puts bytes into the page cache of a node that the kernel knows; ENOENT otherwise.</summary>
    public Errno Store(FuseNodeId node, ulong offset, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    /// <summary>Registers an open regular file for passthrough (CAP_SYS_ADMIN).</summary>
    /// <returns>A positive id, or a negative errno.</returns>
    public int BackingOpen(Microsoft.Win32.SafeHandles.SafeFileHandle file) => throw new NotImplementedException();

    public Errno BackingClose(int backingId) => throw new NotImplementedException();

    public FuseStatistics Statistics() => throw new NotImplementedException();

    /// <summary>Unmounts, waits for the threads, at most 10 s, then aborts.</summary>
    public void Dispose() => throw new NotImplementedException();
}
