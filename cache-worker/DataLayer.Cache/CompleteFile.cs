using Microsoft.Win32.SafeHandles;

namespace DataLayer.Cache;

/// <summary>
/// A large file that is complete in the store, as the plain local file it is: for the kernel to read by itself. Kept from
/// eviction until disposed. Its bytes were checked in this process; what the disk does to them later is not seen.
/// </summary>
public sealed class CompleteFile : IDisposable
{
    BlockFile? _block;

    internal CompleteFile(BlockFile block)
    {
        _block = block;
        block.Directory.Pin(block.Grant, pinned: true);
        Handle = new SafeFileHandle(block.DataDescriptor, ownsHandle: false);
    }

    /// <summary>Byte 0 of it is byte 0 of the file. Valid until this object is disposed.</summary>
    public SafeFileHandle Handle { get; }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _block, null) is not { } block) return;
        Handle.Dispose();
        block.Directory.Pin(block.Grant, pinned: false);
        block.Leave();
    }
}
