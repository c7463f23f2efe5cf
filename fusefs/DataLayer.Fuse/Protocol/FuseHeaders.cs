using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_in_header</c>, 40 bytes: the head of every request.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseInHeader
{
    public const int Size = 40;

    /// <summary>Bytes of the whole message, this header included.</summary>
    public uint Len;
    public uint Opcode;
    public ulong Unique;
    public ulong NodeId;
    public uint Uid;
    public uint Gid;
    public uint Pid;
    /// <summary>Extensions at the end of the message in units of 8 bytes (7.38; only operations that create).</summary>
    public ushort TotalExtLen;
    public ushort Padding;
}

/// <summary><c>struct fuse_out_header</c>, 16 bytes: the head of every answer, and of notifications (unique 0, error = code).</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseOutHeader
{
    public const int Size = 16;

    public uint Len;
    /// <summary>0 or a negative errno; the code of a notification.</summary>
    public int Error;
    public ulong Unique;
}
