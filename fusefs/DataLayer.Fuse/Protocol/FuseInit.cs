using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_init_in</c>: 16 bytes up to 7.35, 64 since.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseInitIn
{
    public const int ShortSize = 16;

    public uint Major;
    public uint Minor;
    public uint MaxReadAhead;
    public uint Flags;
    public uint Flags2;
    readonly Unused11 _unused;

    [InlineArray(11)]
    struct Unused11
    {
        uint _first;
    }
}

/// <summary><c>struct fuse_init_out</c>, 64 bytes since 7.23.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseInitOut
{
    public uint Major;
    public uint Minor;
    public uint MaxReadAhead;
    public uint Flags;
    public ushort MaxBackground;
    public ushort CongestionThreshold;
    public uint MaxWrite;
    /// <summary>Granularity of times in nanoseconds.</summary>
    public uint TimeGran;
    public ushort MaxPages;
    public ushort MapAlignment;
    public uint Flags2;
    public uint MaxStackDepth;
    public ushort RequestTimeout;
    readonly Unused11 _unused;

    [InlineArray(11)]
    struct Unused11
    {
        ushort _first;
    }
}
