using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>A mapping that stays until the last call that uses it has returned, whoever disposes of it first.</summary>
sealed class MappedMemory : SafeHandleMinusOneIsInvalid
{
    public const int ReadWrite = 1 | 2;
    public const int Shared = 1;
    public const int Private = 2;
    public const int Anonymous = 0x20;
    public const int NoReserve = 0x4000;
    public const int Populate = 0x8000;

    readonly nuint _length;

    MappedMemory(nint address, nuint length) : base(ownsHandle: true)
    {
        _length = length;
        SetHandle(address);
    }

    public nint Address => handle;

    /// <returns>Null when the kernel refuses; the marshaller has errno.</returns>
    public static MappedMemory? TryMap(nuint length, int flags, int descriptor, nint offset)
    {
        nint address = Libc.MMap(0, length, ReadWrite, flags, descriptor, offset);
        return address == -1 ? null : new MappedMemory(address, length);
    }

    /// <summary>Keeps the mapping until <c>DangerousRelease</c>. False once it is gone.</summary>
    public bool TryHold()
    {
        if (IsClosed) return false;
        bool held = false;
        try
        {
            DangerousAddRef(ref held);
        }
        catch (ObjectDisposedException)
        {
            // Closed between the two lines.
        }
        return held;
    }

    protected override bool ReleaseHandle() => Libc.MUnmap(handle, _length) == 0;
}
