using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_getxattr_in</c>, 8 bytes; GETXATTR has the name behind it, LISTXATTR nothing.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseGetXattrIn
{
    public uint Size;
    public uint Padding;
}

/// <summary><c>struct fuse_getxattr_out</c>, 8 bytes: the answer when the caller asked for the size only.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseGetXattrOut
{
    public uint Size;
    public uint Padding;
}
