using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>enum fuse_uring_cmd</c>.</summary>
enum FuseUringCommand : uint
{
    Register = 1,
    CommitAndFetch = 2,
}

/// <summary><c>struct fuse_uring_cmd_req</c>, 24 bytes, in the command area of a submission.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseUringCmdReq
{
    public ulong Flags;
    /// <summary>The request that is answered; 0 to register.</summary>
    public ulong CommitId;
    /// <summary>Index of the queue: a CPU number.</summary>
    public ushort QId;
    readonly ushort _padding0;
    readonly uint _padding1;
}

/// <summary><c>struct fuse_uring_req_header</c>, 288 bytes: everything of a request and an answer but the payload.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseUringReqHeader
{
    /// <summary>A <see cref="FuseInHeader"/> or a <see cref="FuseOutHeader"/>.</summary>
    public Area128 InOut;
    /// <summary>The operation's struct.</summary>
    public Area128 OpIn;
    public FuseUringEntInOut Entry;

    [InlineArray(128)]
    public struct Area128
    {
        byte _first;
    }
}

/// <summary><c>struct fuse_uring_ent_in_out</c>, 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseUringEntInOut
{
    public ulong Flags;
    public ulong CommitId;
    /// <summary>Bytes of the payload, in either direction.</summary>
    public uint PayloadSz;
    readonly uint _padding;
    readonly ulong _reserved;
}
