using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>FOPEN_* flags of an answer to OPEN or OPENDIR.</summary>
[Flags]
public enum FuseOpenFlags : uint
{
    None = 0,
    /// <summary>Reads bypass the page cache.</summary>
    DirectIo = 1 << 0,
    /// <summary>Pages read before this open stay valid.</summary>
    KeepCache = 1 << 1,
    NonSeekable = 1 << 2,
    /// <summary>The kernel may keep the directory's entries and answer later readdirs itself.</summary>
    CacheDir = 1 << 3,
    Stream = 1 << 4,
    /// <summary>No FLUSH on close of this file (7.35).</summary>
    NoFlush = 1 << 5,
    ParallelDirectWrites = 1 << 6,
    /// <summary>Reads go to the file registered as <see cref="FuseOpenOut.BackingId"/> (7.40, feature Passthrough).</summary>
    Passthrough = 1 << 7,
}

/// <summary><c>struct fuse_open_out</c>, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseOpenOut
{
    public FuseHandle Handle;
    public FuseOpenFlags OpenFlags;
    /// <summary>
    /// From <see cref="FuseConnection.BackingOpen"/>, with <see cref="FuseOpenFlags.Passthrough"/>; else 0. While an inode
    /// has open passthrough files every further OPEN of it must give the same id, otherwise the kernel answers EIO.
    /// </summary>
    public int BackingId;
}

[StructLayout(LayoutKind.Sequential)]
struct FuseOpenIn
{
    public uint Flags;
    public uint OpenFlags;
}

[StructLayout(LayoutKind.Sequential)]
struct FuseReleaseIn
{
    public ulong Fh;
    public uint Flags;
    public uint ReleaseFlags;
    public ulong LockOwner;
}
