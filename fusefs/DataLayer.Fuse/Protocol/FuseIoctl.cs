using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_ioctl_in</c>, 32 bytes, then <see cref="InSize"/> bytes of input.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseIoctlIn
{
    public ulong Fh;
    public uint Flags;
    public uint Cmd;
    public ulong Arg;
    public uint InSize;
    public uint OutSize;
}

/// <summary><c>struct fuse_ioctl_out</c>, 16 bytes, then the output.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseIoctlOut
{
    public int Result;
    public uint Flags;
    public uint InIovs;
    public uint OutIovs;
}
