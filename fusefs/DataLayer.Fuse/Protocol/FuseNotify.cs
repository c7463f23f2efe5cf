using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>enum fuse_notify_code</c>, sent as the error of a header with unique 0.</summary>
enum FuseNotifyCode
{
    InvalInode = 2,
    InvalEntry = 3,
    Store = 4,
    Delete = 6,
    Resend = 7,
    IncEpoch = 8,
}

/// <summary><c>struct fuse_notify_inval_inode_out</c>, 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseNotifyInvalInodeOut
{
    public FuseNodeId Ino;
    public long Off;
    public long Len;
}

/// <summary><c>struct fuse_notify_inval_entry_out</c>, 16 bytes, then the name and NUL.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseNotifyInvalEntryOut
{
    /// <summary>FUSE_EXPIRE_ONLY (7.38).</summary>
    public const uint ExpireOnly = 1;

    public FuseNodeId Parent;
    public uint NameLen;
    public uint Flags;
}

/// <summary><c>struct fuse_notify_delete_out</c>, 24 bytes, then the name and NUL.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseNotifyDeleteOut
{
    public FuseNodeId Parent;
    public FuseNodeId Child;
    public uint NameLen;
    public uint Padding;
}

/// <summary><c>struct fuse_notify_store_out</c>, 24 bytes, then the data.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseNotifyStoreOut
{
    public FuseNodeId NodeId;
    public ulong Offset;
    public uint Size;
    public uint Padding;
}

/// <summary><c>struct fuse_backing_map</c>, 16 bytes: argument of FUSE_DEV_IOC_BACKING_OPEN.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseBackingMap
{
    public int Fd;
    public uint Flags;
    public ulong Padding;
}
