using Microsoft.Win32.SafeHandles;

namespace DataLayer.Cache;

/// <summary>
/// The block file of a large file whose every unit is present and verified, for the kernel to read by itself. Until it is
/// disposed its descriptor stays open and its space counts as used, also after an eviction.
/// </summary>
public sealed class CompleteFile : IDisposable
{
    readonly BlockFile _block;
    int _disposed;

    /// <param name="block">Entered by the caller; left on dispose.</param>
    internal CompleteFile(BlockFile block)
    {
        _block = block;
        Handle = new SafeFileHandle(block.DataDescriptor, ownsHandle: false);
    }

    /// <summary>The plain file from offset 0. Valid until this is disposed.</summary>
    public SafeFileHandle Handle { get; }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) _block.Leave();
    }
}
