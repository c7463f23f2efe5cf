using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_sx_time</c>, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseSxTime
{
    public long TvSec;
    public uint TvNsec;
    public int Reserved;
}

/// <summary><c>struct fuse_statx</c>, 256 bytes, as <c>struct statx</c> of the kernel when 7.39 appeared.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseStatx
{
    /// <summary>STATX_* bits of the fields that are filled.</summary>
    public uint Mask;
    public uint BlkSize;
    public ulong Attributes;
    public uint NLink;
    public uint Uid;
    public uint Gid;
    public ushort Mode;
    public ushort Spare0;
    public ulong Ino;
    public ulong Size;
    public ulong Blocks;
    public ulong AttributesMask;
    public FuseSxTime ATime;
    public FuseSxTime BTime;
    public FuseSxTime CTime;
    public FuseSxTime MTime;
    public uint RDevMajor;
    public uint RDevMinor;
    public uint DevMajor;
    public uint DevMinor;
    readonly Spare14 _spare2;

    [System.Runtime.CompilerServices.InlineArray(14)]
    struct Spare14
    {
        ulong _first;
    }
}

/// <summary><c>struct fuse_statx_out</c>, 288 bytes: the answer to STATX.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseStatxOut
{
    public ulong AttrValid;
    public uint AttrValidNsec;
    public uint Flags;
    readonly ulong _spare0;
    readonly ulong _spare1;
    public FuseStatx Stat;
}
