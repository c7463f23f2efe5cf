using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_dirent</c>, 24 bytes, then the name, padded with zeros to a multiple of 8.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseDirEnt
{
    public ulong Ino;
    public ulong Off;
    public uint NameLen;
    public uint Type;
}
