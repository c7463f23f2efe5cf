using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>
/// The table from opcode to what happens: name, size of the operation's struct, handler or refusal. Pure: spans in, one call
/// of the filesystem or one refusal out.
/// </summary>
static class FuseOperations
{
    delegate void Handler(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest);

    readonly record struct Operation(string Name, int FixedSize, Handler? Handle, Errno Refusal);

    /// <summary>open(2) flags that write: O_WRONLY, O_RDWR, O_TRUNC. Seen only when someone remounted read-write.</summary>
    const uint WriteFlags = 0x1 | 0x2 | 0x200;

    static readonly Operation[] Table = BuildTable();

    public static string NameOf(uint opcode) =>
        opcode < (uint)Table.Length && Table[opcode].Name is { } name ? name : $"opcode {opcode}";

    /// <summary>Bytes of the struct that heads the operation's arguments.</summary>
    public static int FixedSizeOf(uint opcode) => opcode < (uint)Table.Length ? Table[opcode].FixedSize : 0;

    /// <summary>Operations without an answer: nobody waits, so they have no request object.</summary>
    public static bool IsOneWay(uint opcode) =>
        (FuseOpcode)opcode is FuseOpcode.Forget or FuseOpcode.BatchForget or FuseOpcode.Interrupt or FuseOpcode.NotifyReply;

    /// <summary>Calls the filesystem, or refuses. The request is answered or deferred on return, unless the filesystem broke its contract.</summary>
    public static void Dispatch(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        uint opcode = (uint)request.Opcode;
        if (opcode >= (uint)Table.Length || Table[opcode].Name is null)
        {
            request.ReplyError(Errno.ENOSYS);
            return;
        }
        ref readonly Operation operation = ref Table[opcode];
        if (operation.Handle is null)
        {
            request.ReplyError(operation.Refusal);
            return;
        }
        if (fixedPart.Length < operation.FixedSize)
        {
            Malformed(session, request, $"{fixedPart.Length} of {operation.FixedSize} bytes");
            return;
        }
        if (session.IsFailed)
        {
            request.ReplyError(Errno.EIO);
            return;
        }
        operation.Handle(session, request, fixedPart, rest);
    }

    /// <summary>Handles FORGET, BATCH_FORGET and INTERRUPT; NOTIFY_REPLY is never asked for and ignored.</summary>
    public static void DispatchOneWay(FuseSession session, in FuseInHeader header, ReadOnlySpan<byte> body)
    {
        switch ((FuseOpcode)header.Opcode)
        {
            case FuseOpcode.Forget when body.Length >= Unsafe.SizeOf<FuseForgetIn>():
                session.FileSystem.Forget(new FuseNodeId(header.NodeId), Read<FuseForgetIn>(body).NLookup);
                break;
            case FuseOpcode.BatchForget when body.Length >= Unsafe.SizeOf<FuseBatchForgetIn>():
                ReadOnlySpan<FuseForgetOne> all = MemoryMarshal.Cast<byte, FuseForgetOne>(body[Unsafe.SizeOf<FuseBatchForgetIn>()..]);
                uint count = Read<FuseBatchForgetIn>(body).Count;
                if (count > (uint)all.Length) session.Log(FuseLogLevel.Warning, $"BATCH_FORGET announces {count} nodes and carries {all.Length}.");
                else all = all[..(int)count];
                foreach (ref readonly FuseForgetOne one in all) session.FileSystem.Forget(new FuseNodeId(one.NodeId), one.NLookup);
                break;
            case FuseOpcode.Interrupt when body.Length >= Unsafe.SizeOf<FuseInterruptIn>():
                session.Interrupt(Read<FuseInterruptIn>(body).Unique);
                break;
            case FuseOpcode.NotifyReply:
                break;
            default:
                session.Log(FuseLogLevel.Warning, $"{NameOf(header.Opcode)} #{header.Unique} is malformed: {body.Length} bytes; ignored.");
                break;
        }
    }

    static Operation[] BuildTable()
    {
        Operation[] table = new Operation[(int)FuseOpcode.CopyFileRange64 + 1];

        Handled<NoArguments>(FuseOpcode.Lookup, "LOOKUP", Lookup);
        Handled<FuseGetAttrIn>(FuseOpcode.GetAttr, "GETATTR", GetAttr);
        Handled<FuseStatxIn>(FuseOpcode.Statx, "STATX", Statx);
        Handled<NoArguments>(FuseOpcode.ReadLink, "READLINK", static (s, r, _, _) => s.FileSystem.ReadLink(r, r.Node));
        Handled<FuseOpenIn>(FuseOpcode.Open, "OPEN", Open);
        Handled<FuseReadIn>(FuseOpcode.Read, "READ", ReadFile);
        Handled<FuseReleaseIn>(FuseOpcode.Release, "RELEASE", static (s, r, a, _) => s.FileSystem.Release(r, r.Node, HandleOf(a)));
        Handled<FuseOpenIn>(FuseOpcode.OpenDir, "OPENDIR", static (s, r, a, _) => s.FileSystem.OpenDir(r, r.Node, Read<FuseOpenIn>(a).Flags));
        Handled<FuseReadIn>(FuseOpcode.ReadDir, "READDIR", ReadDir);
        Handled<FuseReadIn>(FuseOpcode.ReadDirPlus, "READDIRPLUS", ReadDir);
        Handled<FuseReleaseIn>(FuseOpcode.ReleaseDir, "RELEASEDIR", static (s, r, a, _) => s.FileSystem.ReleaseDir(r, r.Node, HandleOf(a)));
        Handled<NoArguments>(FuseOpcode.StatFs, "STATFS", static (s, r, _, _) => s.FileSystem.StatFs(r, r.Node));
        Handled<FuseAccessIn>(FuseOpcode.Access, "ACCESS", static (s, r, a, _) => s.FileSystem.Access(r, r.Node, Read<FuseAccessIn>(a).Mask));
        Handled<FuseGetXattrIn>(FuseOpcode.GetXattr, "GETXATTR", GetXattr);
        Handled<FuseGetXattrIn>(FuseOpcode.ListXattr, "LISTXATTR", ListXattr);
        Handled<FuseLSeekIn>(FuseOpcode.LSeek, "LSEEK", LSeek);
        Handled<FuseIoctlIn>(FuseOpcode.Ioctl, "IOCTL", Ioctl);
        Handled<NoArguments>(FuseOpcode.Destroy, "DESTROY", static (_, r, _, _) => r.ReplyOk());

        Refused(Errno.EROFS, FuseOpcode.SetAttr, "SETATTR");
        Refused(Errno.EROFS, FuseOpcode.Symlink, "SYMLINK");
        Refused(Errno.EROFS, FuseOpcode.MkNod, "MKNOD");
        Refused(Errno.EROFS, FuseOpcode.MkDir, "MKDIR");
        Refused(Errno.EROFS, FuseOpcode.Unlink, "UNLINK");
        Refused(Errno.EROFS, FuseOpcode.RmDir, "RMDIR");
        Refused(Errno.EROFS, FuseOpcode.Rename, "RENAME");
        Refused(Errno.EROFS, FuseOpcode.Rename2, "RENAME2");
        Refused(Errno.EROFS, FuseOpcode.Link, "LINK");
        Refused(Errno.EROFS, FuseOpcode.Write, "WRITE");
        Refused(Errno.EROFS, FuseOpcode.SetXattr, "SETXATTR");
        Refused(Errno.EROFS, FuseOpcode.RemoveXattr, "REMOVEXATTR");
        Refused(Errno.EROFS, FuseOpcode.Create, "CREATE");
        Refused(Errno.EROFS, FuseOpcode.TmpFile, "TMPFILE");
        Refused(Errno.EROFS, FuseOpcode.FAllocate, "FALLOCATE");
        Refused(Errno.EROFS, FuseOpcode.CopyFileRange, "COPY_FILE_RANGE");
        Refused(Errno.EROFS, FuseOpcode.CopyFileRange64, "COPY_FILE_RANGE_64");

        // ENOSYS makes the kernel remember: it treats them as done (FLUSH, FSYNC, SYNCFS), or handles them itself (locks, poll).
        Refused(Errno.ENOSYS, FuseOpcode.Flush, "FLUSH");
        Refused(Errno.ENOSYS, FuseOpcode.FSync, "FSYNC");
        Refused(Errno.ENOSYS, FuseOpcode.FSyncDir, "FSYNCDIR");
        Refused(Errno.ENOSYS, FuseOpcode.SyncFs, "SYNCFS");
        Refused(Errno.ENOSYS, FuseOpcode.GetLk, "GETLK");
        Refused(Errno.ENOSYS, FuseOpcode.SetLk, "SETLK");
        Refused(Errno.ENOSYS, FuseOpcode.SetLkW, "SETLKW");
        Refused(Errno.ENOSYS, FuseOpcode.BMap, "BMAP");
        Refused(Errno.ENOSYS, FuseOpcode.Poll, "POLL");
        Refused(Errno.ENOSYS, FuseOpcode.SetupMapping, "SETUPMAPPING");
        Refused(Errno.ENOSYS, FuseOpcode.RemoveMapping, "REMOVEMAPPING");

        // A second INIT is no request of a client. The one-way operations are here for their names.
        Refused(Errno.EIO, FuseOpcode.Init, "INIT");
        Refused(Errno.EIO, FuseOpcode.Forget, "FORGET");
        Refused(Errno.EIO, FuseOpcode.BatchForget, "BATCH_FORGET");
        Refused(Errno.EIO, FuseOpcode.Interrupt, "INTERRUPT");
        Refused(Errno.EIO, FuseOpcode.NotifyReply, "NOTIFY_REPLY");
        return table;

        void Handled<T>(FuseOpcode opcode, string name, Handler handler) where T : unmanaged =>
            table[(int)opcode] = new Operation(name, typeof(T) == typeof(NoArguments) ? 0 : Unsafe.SizeOf<T>(), handler, Errno.None);

        void Refused(Errno error, FuseOpcode opcode, string name) => table[(int)opcode] = new Operation(name, 0, null, error);
    }

    static void Lookup(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        if (TryReadName(session, request, rest, out ReadOnlySpan<byte> name)) session.FileSystem.Lookup(request, request.Node, name);
    }

    static void GetAttr(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        FuseGetAttrIn arguments = Read<FuseGetAttrIn>(fixedPart);
        FuseHandle? handle = (arguments.GetAttrFlags & FuseGetAttrIn.HasHandle) != 0 ? new FuseHandle(arguments.Fh) : null;
        session.FileSystem.GetAttr(request, request.Node, handle);
    }

    static void Statx(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        FuseStatxIn arguments = Read<FuseStatxIn>(fixedPart);
        FuseHandle? handle = (arguments.GetAttrFlags & FuseGetAttrIn.HasHandle) != 0 ? new FuseHandle(arguments.Fh) : null;
        session.FileSystem.Statx(request, request.Node, handle, arguments.SxMask);
    }

    static void Open(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        uint flags = Read<FuseOpenIn>(fixedPart).Flags;
        if ((flags & WriteFlags) != 0) request.ReplyError(Errno.EROFS);
        else session.FileSystem.Open(request, request.Node, flags);
    }

    static void ReadFile(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        FuseReadIn arguments = Read<FuseReadIn>(fixedPart);
        if (arguments.Size > (uint)session.Negotiation.MaxRead) Malformed(session, request, $"asks for {arguments.Size} bytes");
        else session.FileSystem.Read(request, request.Node, new FuseHandle(arguments.Fh), arguments.Offset, (int)arguments.Size);
    }

    static void ReadDir(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        FuseReadIn arguments = Read<FuseReadIn>(fixedPart);
        // Fewer entries than there is room for are fine, and newer kernels ask for much.
        int size = (int)Math.Min(arguments.Size, (uint)session.Negotiation.MaxRead);
        session.FileSystem.ReadDir(request, request.Node, new FuseHandle(arguments.Fh), arguments.Offset, size, plus: request.Opcode == FuseOpcode.ReadDirPlus);
    }

    static void GetXattr(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        if (!TryReadXattrSize(session, request, fixedPart) || !TryReadName(session, request, rest, out ReadOnlySpan<byte> name)) return;
        session.FileSystem.GetXattr(request, request.Node, name, request.XattrSize);
    }

    static void ListXattr(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        if (TryReadXattrSize(session, request, fixedPart)) session.FileSystem.ListXattr(request, request.Node, request.XattrSize);
    }

    static void LSeek(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        FuseLSeekIn arguments = Read<FuseLSeekIn>(fixedPart);
        FuseWhence whence = (FuseWhence)arguments.Whence;
        if (whence is FuseWhence.Data or FuseWhence.Hole)
            session.FileSystem.LSeek(request, request.Node, new FuseHandle(arguments.Fh), arguments.Offset, whence);
        else request.ReplyError(Errno.EINVAL);
    }

    static void Ioctl(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> rest)
    {
        FuseIoctlIn arguments = Read<FuseIoctlIn>(fixedPart);
        if (arguments.InSize > (uint)rest.Length || arguments.OutSize > (uint)session.Negotiation.MaxRead)
        {
            Malformed(session, request, $"announces {arguments.InSize} bytes in and {arguments.OutSize} out");
            return;
        }
        session.FileSystem.Ioctl(request, request.Node, new FuseHandle(arguments.Fh), arguments.Cmd, rest[..(int)arguments.InSize], (int)arguments.OutSize);
    }

    static FuseHandle HandleOf(ReadOnlySpan<byte> release) => new(Read<FuseReleaseIn>(release).Fh);

    static bool TryReadXattrSize(FuseSession session, FuseRequest request, ReadOnlySpan<byte> fixedPart)
    {
        uint size = Read<FuseGetXattrIn>(fixedPart).Size;
        request.XattrSize = (int)Math.Min(size, int.MaxValue);
        // XATTR_SIZE_MAX and XATTR_LIST_MAX: the VFS asks for 64 KiB at most.
        if (size <= 64 << 10) return true;
        Malformed(session, request, $"asks for {size} bytes");
        return false;
    }

    /// <summary>A name is ended by NUL, its only one, and not empty.</summary>
    static bool TryReadName(FuseSession session, FuseRequest request, ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> name)
    {
        int end = bytes.IndexOf((byte)0);
        name = end > 0 ? bytes[..end] : default;
        if (end > 0) return true;
        Malformed(session, request, end == 0 ? "an empty name" : "a name without its end");
        return false;
    }

    static void Malformed(FuseSession session, FuseRequest request, string what)
    {
        session.Log(FuseLogLevel.Warning, $"{request} is malformed ({what}); answered with EIO.");
        request.ReplyError(Errno.EIO);
    }

    static T Read<T>(ReadOnlySpan<byte> bytes) where T : unmanaged => MemoryMarshal.Read<T>(bytes);

    struct NoArguments;
}
