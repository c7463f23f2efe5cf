using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_read_in</c>, 40 bytes: READ, READDIR and READDIRPLUS.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseReadIn
{
    public ulong Fh;
    public ulong Offset;
    public uint Size;
    public uint ReadFlags;
    public ulong LockOwner;
    public uint Flags;
    public uint Padding;
}

/// <summary><c>struct fuse_lseek_in</c>, 24 bytes. The answer is <c>fuse_lseek_out</c>: one u64.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseLSeekIn
{
    public ulong Fh;
    public ulong Offset;
    public uint Whence;
    public uint Padding;
}
