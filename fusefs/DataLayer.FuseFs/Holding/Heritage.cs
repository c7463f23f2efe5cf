using Microsoft.Win32.SafeHandles;

namespace DataLayer.FuseFs.Holding;

/// <summary>A snapshot as it passes from one process to the next.</summary>
/// <param name="File">The manifest, which may have no name any more.</param>
sealed record HeldSnapshot(SafeFileHandle File, int Generation, DateTime TakenUtc)
{
    public string Path => $"/proc/self/fd/{(int)File.DangerousGetHandle()}";
}

/// <summary>What a mount shows and cannot be found out again: the kernel has cached it.</summary>
/// <param name="Snapshots">The newest first.</param>
/// <param name="Dataset">Name space of the cache.</param>
sealed record Heritage(IReadOnlyList<HeldSnapshot> Snapshots, OpenMode OpenMode, string Dataset);
