namespace DataLayer.Fuse;

/// <summary>
/// A read-only filesystem as the kernel asks for it, by node id. Called by <see cref="FuseConnection"/> from several
/// threads at once.
/// </summary>
/// <remarks>
/// Each handler answers its request exactly once, before it returns or, after <see cref="FuseRequest.Defer"/>, later from
/// any thread. A handler that throws or returns without either is logged and its caller gets EIO. Spans are valid until the
/// handler returns. A handler that waits blocks one of few threads: defer whatever does not come from memory or local disk.
/// Names are bytes without the trailing NUL: never empty, never with NUL; '/' cannot come from the VFS.
/// Operations that change anything are answered with EROFS before they come here; FLUSH and FSYNC with ENOSYS, which stops
/// the kernel from ever sending them again.
/// </remarks>
public interface IFuseFileSystem
{
    /// <summary>INIT is done, requests follow.</summary>
    void Connected(FuseConnection connection) { }

    /// <summary>Answer: <see cref="FuseRequest.ReplyEntry"/>, <see cref="FuseRequest.ReplyNoEntry"/>. Each entry answered adds
    /// one to the kernel's count of lookups, which <see cref="Forget"/> gives back.</summary>
    void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name);

    /// <summary>The kernel dropped <paramref name="lookups"/> references. Has no answer; comes in storms under memory pressure.</summary>
    void Forget(FuseNodeId node, ulong lookups);

    /// <param name="handle">The open file of an fstat, or null.</param>
    void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle);

    /// <summary>Only asked for what GETATTR lacks (birth time). ENOSYS: never again.</summary>
    /// <param name="mask">STATX_* bits that the caller wants.</param>
    void Statx(FuseRequest request, FuseNodeId node, FuseHandle? handle, uint mask) => request.ReplyError(Errno.ENOSYS);

    /// <summary>Answer: <see cref="FuseRequest.ReplyData"/> with the target, no NUL.</summary>
    void ReadLink(FuseRequest request, FuseNodeId node);

    /// <summary>
    /// Answer: <see cref="FuseRequest.ReplyOpen"/>, or ENOSYS: then neither OPEN nor RELEASE is ever sent again on this
    /// connection, every file opens at no cost, keeps its cached pages, and reads carry handle 0 (needs
    /// <see cref="FuseFeatures.NoOpenSupport"/>; passthrough is then impossible on this connection).
    /// </summary>
    /// <param name="flags">open(2) flags.</param>
    void Open(FuseRequest request, FuseNodeId node, uint flags);

    /// <summary>Answer: <see cref="FuseRequest.ReplyData"/> or <see cref="FuseRequest.ReplyPayload"/> with at most
    /// <paramref name="size"/> bytes; fewer mean end of file, except with direct I/O.</summary>
    void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size);

    /// <summary>The last close of an OPEN. The answer is ignored by the caller of close(2).</summary>
    void Release(FuseRequest request, FuseNodeId node, FuseHandle handle) => request.ReplyOk();

    /// <summary>Answer: <see cref="FuseRequest.ReplyOpen"/>, or ENOSYS: as for <see cref="Open"/>, with directory contents
    /// cached in the kernel (needs <see cref="FuseFeatures.NoOpenDirSupport"/>).</summary>
    void OpenDir(FuseRequest request, FuseNodeId node, uint flags) => request.ReplyError(Errno.ENOSYS);

    /// <summary>Answer: <see cref="FuseRequest.ReplyDirectory"/>; an empty one is the end.</summary>
    /// <param name="offset">0, or the <c>nextOffset</c> of the last entry the kernel consumed.</param>
    /// <param name="size">Room for entries in bytes.</param>
    /// <param name="plus">READDIRPLUS: entries carry attributes. Every entry with a node id counts as a lookup.</param>
    void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size, bool plus);

    void ReleaseDir(FuseRequest request, FuseNodeId node, FuseHandle handle) => request.ReplyOk();

    void StatFs(FuseRequest request, FuseNodeId node);

    /// <summary>Only sent without default_permissions. ENOSYS: allow, and never ask again.</summary>
    void Access(FuseRequest request, FuseNodeId node, uint mask) => request.ReplyError(Errno.ENOSYS);

    /// <summary>Answer: <see cref="FuseRequest.ReplyXattr"/>, ENODATA, or ENOSYS: never asked again.</summary>
    void GetXattr(FuseRequest request, FuseNodeId node, ReadOnlySpan<byte> name, int size) => request.ReplyError(Errno.ENOSYS);

    /// <summary>Answer: <see cref="FuseRequest.ReplyXattr"/> with the names, each ended by NUL; ENOSYS: never asked again.</summary>
    void ListXattr(FuseRequest request, FuseNodeId node, int size) => request.ReplyError(Errno.ENOSYS);

    /// <summary>SEEK_DATA or SEEK_HOLE. Answer: <see cref="FuseRequest.ReplySeek"/>, ENXIO past the end. ENOSYS: the kernel
    /// treats every file as free of holes.</summary>
    void LSeek(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, FuseWhence whence) =>
        request.ReplyError(Errno.ENOSYS);

    /// <summary>Answer: <see cref="FuseRequest.ReplyIoctl"/> or ENOTTY.</summary>
    /// <param name="input">Bytes that the command's direction and size bits declare as input.</param>
    /// <param name="outputSize">Most bytes the answer may carry.</param>
    void Ioctl(FuseRequest request, FuseNodeId node, FuseHandle handle, uint command, ReadOnlySpan<byte> input, int outputSize) =>
        request.ReplyError(Errno.ENOTTY);

    /// <summary>The connection ended (unmount, abort, or the device was lost). No request follows; deferred ones may still be
    /// answered, to no effect.</summary>
    void Disconnected() { }
}

/// <summary><c>whence</c> of lseek(2), as far as it reaches a filesystem.</summary>
public enum FuseWhence : uint
{
    Data = 3,
    Hole = 4,
}
