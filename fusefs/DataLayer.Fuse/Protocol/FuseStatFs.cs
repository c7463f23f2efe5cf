using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_kstatfs</c>, 80 bytes: the answer to STATFS. Block counts are in units of <see cref="FrSize"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FuseKStatFs
{
    public ulong Blocks;
    public ulong BFree;
    public ulong BAvail;
    public ulong Files;
    public ulong FFree;
    public uint BSize;
    public uint NameLen;
    public uint FrSize;
    readonly uint _padding;
    readonly Spare6 _spare;

    [InlineArray(6)]
    struct Spare6
    {
        uint _first;
    }
}
