using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary><c>struct fuse_forget_in</c>, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseForgetIn
{
    public ulong NLookup;
}

/// <summary><c>struct fuse_batch_forget_in</c>, 8 bytes, then <see cref="Count"/> × <see cref="FuseForgetOne"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseBatchForgetIn
{
    public uint Count;
    public uint Dummy;
}

/// <summary><c>struct fuse_forget_one</c>, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseForgetOne
{
    public ulong NodeId;
    public ulong NLookup;
}

/// <summary><c>struct fuse_interrupt_in</c>, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
struct FuseInterruptIn
{
    /// <summary>The request whose caller got a signal.</summary>
    public ulong Unique;
}
