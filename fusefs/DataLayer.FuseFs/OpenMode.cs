using DataLayer.Formats;

namespace DataLayer.FuseFs;

/// <summary>How files of a mount are opened. One connection has one mode: the kernel's rule, see <see cref="OpenModes"/>.</summary>
enum OpenMode
{
    /// <summary>Chosen from the snapshot's profile.</summary>
    Auto,

    /// <summary>No OPEN messages at all: warm reads of any file never leave the kernel. Best for many files.</summary>
    None,

    /// <summary>OPEN hands complete large files to the kernel, which reads the block file itself. Best for few large files.</summary>
    Passthrough,
}

/// <summary>
/// Chooses the mode. Measured (README): without OPEN messages a warm small file opens and reads at 0.75 of ext4's rate, with
/// them at 0.12 to 0.34; a large file read through FUSE's page cache stops at 0.35 of ext4's (mmap: 0.08), by passthrough it
/// reaches 0.98. The first ENOSYS to OPEN is final for a connection, so it cannot have both.
/// </summary>
static class OpenModes
{
    // A model directory holds a few shards and some dozens of small files beside them; a training set with a stray
    // archive holds small files by the ten thousand.
    const int SmallFilesBesideModels = 1000;
    const int SmallFilesPerLarge = 10;

    public static OpenMode Choose(OpenMode wanted, Manifest manifest)
    {
        if (wanted != OpenMode.Auto) return wanted;
        long small = manifest.FileCount - manifest.LargeFileCount;
        if (small > SmallFilesBesideModels + (long)SmallFilesPerLarge * manifest.LargeFileCount) return OpenMode.None;
        return manifest.SumLargeFiles().Bytes * 2 > manifest.TotalBytes ? OpenMode.Passthrough : OpenMode.None;
    }
}
