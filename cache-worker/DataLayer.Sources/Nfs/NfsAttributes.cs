using DataLayer.Sources.LocalDirectory;

namespace DataLayer.Sources.Nfs;

/// <summary>ftype3 of RFC 1813 and nfs_ftype4 of RFC 7530, which share their numbers.</summary>
internal enum NfsType : uint
{
    File = 1,
    Directory = 2,
    BlockDevice = 3,
    CharacterDevice = 4,
    Symlink = 5,
    Socket = 6,
    Pipe = 7,
}

/// <summary>What both protocol versions tell of a file.</summary>
/// <param name="Mode">07777.</param>
/// <param name="Uid">-1: a name that this machine does not know (version 4).</param>
internal readonly record struct NfsAttributes(
    NfsType Type, int Mode, long Uid, long Gid, long Size, ulong FileId, long MtimeNs, long CtimeNs)
{
    /// <summary>
    /// The two times and file id, as for a mounted directory. Version 4's change attribute is left out on purpose: servers
    /// may count it up for what is no change of the content (XFS before Linux 6.x: for the access time that our own
    /// reading sets), which would turn unchanged files into changed ones; and what it would add, changes within one tick
    /// of the server's clock, the rule of <see cref="FileIdentity.SettledAfterNs"/> covers.
    /// </summary>
    public FileIdentity Identity => new(CtimeNs, MtimeNs, FileId);

    public long LastChangeNs => FileIdentity.LastChange(CtimeNs, MtimeNs);

    /// <summary>Since the epoch, clamped to what 64 bits hold (years 1677 to 2262).</summary>
    public static long Nanoseconds(long seconds, uint nanoseconds) => seconds switch
    {
        > 9_223_372_035 => long.MaxValue,
        < -9_223_372_035 => -long.MaxValue,
        _ => seconds * 1_000_000_000 + Math.Min(nanoseconds, 999_999_999),
    };

    public static long ClampSize(ulong size) => (long)Math.Min(size, long.MaxValue);
}
