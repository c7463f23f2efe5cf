using DataLayer.Formats;
using DataLayer.Fuse;

namespace DataLayer.FuseFs;

/// <summary>How an entry of a manifest looks to stat(2) in this mount. A pure function of entry and options.</summary>
sealed class AttributeView(AttributeOptions options)
{
    const uint RegularFile = 0x8000, DirectoryFile = 0x4000, SymbolicLink = 0xA000;

    // What object stores, which know neither owner nor permissions, show by default.
    const int DefaultFileMode = 0x124, DefaultDirectoryMode = 0x16D; // 0444, 0555

    // As ext4: readers size their buffers by it, and coreutils take at least 128 KiB anyway.
    const uint PreferredBlock = 4096;

    public FuseAttr Of(in ManifestEntry entry, NodeId node)
    {
        long seconds = Math.DivRem(entry.MtimeNs, 1_000_000_000, out long nanoseconds);
        if (nanoseconds < 0)
        {
            seconds--;
            nanoseconds += 1_000_000_000;
        }

        ulong size = entry.Kind == EntryKind.Directory ? 0 : (ulong)entry.Size;
        return new FuseAttr
        {
            Ino = node.Value,
            Size = size,
            Blocks = (size + 511) / 512,
            ATime = (ulong)seconds,
            MTime = (ulong)seconds,
            CTime = (ulong)seconds,
            ATimeNsec = (uint)nanoseconds,
            MTimeNsec = (uint)nanoseconds,
            CTimeNsec = (uint)nanoseconds,
            Mode = Type(entry.Kind) | (uint)Permissions(entry),
            // Directories too: as on btrfs, 1 tells find(1) that the count says nothing about subdirectories.
            NLink = 1,
            Uid = options.Uid ?? (entry.Uid >= 0 ? (uint)entry.Uid : CurrentUser.Uid),
            Gid = options.Gid ?? (entry.Gid >= 0 ? (uint)entry.Gid : CurrentUser.Gid),
            BlkSize = PreferredBlock,
        };
    }

    public static FuseEntryType DirectoryType(EntryKind kind) => (FuseEntryType)(Type(kind) >> 12);

    static uint Type(EntryKind kind) => kind switch
    {
        EntryKind.Directory => DirectoryFile,
        EntryKind.Symlink => SymbolicLink,
        _ => RegularFile,
    };

    int Permissions(in ManifestEntry entry) => entry.Kind switch
    {
        EntryKind.Directory => options.DirectoryMode ?? (entry.Mode >= 0 ? entry.Mode : DefaultDirectoryMode),
        EntryKind.Symlink => 0x1FF, // 0777: Linux never looks at a symlink's bits
        _ => options.FileMode ?? (entry.Mode >= 0 ? entry.Mode : DefaultFileMode),
    };
}
