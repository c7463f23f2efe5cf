using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// Memory that outlives the process which writes it: a memfd that a holder keeps and a successor maps again. What was stored
/// before a kill is there after it; nothing here survives the machine.
/// </summary>
public sealed unsafe class SharedRegion : IDisposable
{
    const uint CloseOnExec = 1;

    readonly MappedMemory _map;

    SharedRegion(SafeFileHandle descriptor, MappedMemory map, int length)
    {
        Descriptor = descriptor;
        _map = map;
        Length = length;
    }

    /// <summary>To hand over. Lives as long as this object unless somebody keeps a copy.</summary>
    public SafeFileHandle Descriptor { get; }

    public int Length { get; }

    /// <summary>All of it. Not after <see cref="Dispose"/>.</summary>
    // Safe: the mapping has this length and lives until Dispose.
    public Span<byte> Bytes => new((void*)_map.Address, Length);

    internal byte* Address => (byte*)_map.Address;

    /// <summary>New memory, all zero.</summary>
    /// <exception cref="FuseException">No memory.</exception>
    public static SharedRegion Create(string name, int length)
    {
        int descriptor = Libc.MemFd(name, CloseOnExec);
        if (descriptor < 0) throw new FuseException($"Cannot make shared memory: {Libc.LastError}.", Libc.LastError);
        SafeFileHandle handle = new(descriptor, ownsHandle: true);
        if (Libc.FTruncate(descriptor, length) == 0) return Map(handle, length);
        Errno errno = Libc.LastError;
        handle.Dispose();
        throw new FuseException($"Cannot size shared memory: {errno}.", errno);
    }

    /// <summary>Maps what another process made, and owns the descriptor from then on.</summary>
    public static SharedRegion Map(SafeFileHandle descriptor, int length)
    {
        if (RandomAccess.GetLength(descriptor) >= length &&
            MappedMemory.TryMap((nuint)length, MappedMemory.Shared, (int)descriptor.DangerousGetHandle(), 0) is { } map)
            return new SharedRegion(descriptor, map, length);
        throw new FuseException($"Shared memory of {length} bytes cannot be mapped.", Errno.EINVAL);
    }

    public void Dispose()
    {
        _map.Dispose();
        Descriptor.Dispose();
    }
}
