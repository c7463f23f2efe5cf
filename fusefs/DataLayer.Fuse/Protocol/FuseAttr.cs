using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_attr</c>, 88 bytes. Times are seconds since 1970 (two's complement) plus nanoseconds.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseAttr
{
    public ulong Ino;
    public ulong Size;
    /// <summary>In units of 512 bytes.</summary>
    public ulong Blocks;
    public ulong ATime;
    public ulong MTime;
    public ulong CTime;
    public uint ATimeNsec;
    public uint MTimeNsec;
    public uint CTimeNsec;
    /// <summary>File type and permission bits, as st_mode. A wrong type makes the kernel drop the inode with EIO.</summary>
    public uint Mode;
    public uint NLink;
    public uint Uid;
    public uint Gid;
    public uint RDev;
    /// <summary>st_blksize; 0 leaves the kernel's page size.</summary>
    public uint BlkSize;
    public uint Flags;
}

/// <summary><c>struct fuse_attr_out</c>, 104 bytes: the answer to GETATTR.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseAttrOut
{
    /// <summary>Seconds for which the kernel may answer stat by itself; see <see cref="FuseEntryOut.Forever"/>.</summary>
    public ulong AttrValid;
    public uint AttrValidNsec;
    public uint Dummy;
    public FuseAttr Attr;
}

/// <summary><c>struct fuse_entry_out</c>, 128 bytes: the answer to LOOKUP, and the head of each READDIRPLUS entry.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseEntryOut
{
    /// <summary>
    /// A cache timeout that never ends in practice (136 years). The kernel clamps larger values to its jiffies range, so
    /// this is safe on every version.
    /// </summary>
    public const ulong Forever = uint.MaxValue;

    /// <summary>0 says "no such name" and lets the kernel remember that for <see cref="EntryValid"/>.</summary>
    public FuseNodeId NodeId;
    /// <summary>Must differ when a node id is reused for another file.</summary>
    public ulong Generation;
    public ulong EntryValid;
    public ulong AttrValid;
    public uint EntryValidNsec;
    public uint AttrValidNsec;
    public FuseAttr Attr;
}
