using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_getattr_in</c>, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseGetAttrIn
{
    /// <summary>FUSE_GETATTR_FH: <see cref="Fh"/> holds the open file.</summary>
    public const uint HasHandle = 1;

    public uint GetAttrFlags;
    public uint Dummy;
    public ulong Fh;
}

/// <summary><c>struct fuse_statx_in</c>, 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseStatxIn
{
    public uint GetAttrFlags;
    public uint Reserved;
    public ulong Fh;
    public uint SxFlags;
    public uint SxMask;
}

/// <summary><c>struct fuse_access_in</c>, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseAccessIn
{
    public uint Mask;
    public uint Padding;
}
