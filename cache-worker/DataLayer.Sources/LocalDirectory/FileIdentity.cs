using System.Buffers.Binary;
using System.Numerics;

namespace DataLayer.Sources.LocalDirectory;

/// <summary>
/// The identity of a version of a file beside its size: ctime, mtime and inode. ctime alone tells every change on a
/// filesystem that keeps it; some network and FUSE filesystems do not, and there mtime does. As a version tag: 16 bytes,
/// the two times mixed into one (u64 LE), inode (u64 LE).
/// </summary>
/// <param name="Times">Differs whenever one of the two times does, and but for a chance of 2^-64 whenever both do.</param>
internal readonly record struct FileIdentity(ulong Times, ulong Inode)
{
    public const int TagSize = 16;

    /// <summary>
    /// Kernels stamp files with a clock that ticks every 1 to 10 ms, NFS servers and FAT-like filesystems every 1 to 2 s:
    /// two writes within one tick leave the same ctime. Older than this, a ctime tells every version apart.
    /// </summary>
    public const long SettledAfterNs = 2_000_000_000;

    public FileIdentity(long ctimeNs, long mtimeNs, ulong inode) : this(Mix(ctimeNs, mtimeNs), inode)
    {
    }

    public FileIdentity(in Libc.Statx stat) : this(stat.Ctime.TotalNanoseconds, stat.Mtime.TotalNanoseconds, stat.Ino)
    {
    }

    /// <summary>One-to-one in each argument; the factor is odd and spreads a small difference over all bits.</summary>
    static ulong Mix(long ctimeNs, long mtimeNs) => BitOperations.RotateLeft((ulong)ctimeNs * 0x9E3779B97F4A7C15, 32) ^ (ulong)mtimeNs;

    /// <summary>When the file last changed, as far as its times tell. A user may set mtime into the future, where it says nothing.</summary>
    public static long LastChange(long ctimeNs, long mtimeNs) => mtimeNs > ctimeNs && mtimeNs <= NowNs ? mtimeNs : ctimeNs;

    public static long LastChangeNs(in Libc.Statx stat) => LastChange(stat.Ctime.TotalNanoseconds, stat.Mtime.TotalNanoseconds);

    public byte[] ToTag()
    {
        byte[] tag = new byte[TagSize];
        BinaryPrimitives.WriteUInt64LittleEndian(tag, Times);
        BinaryPrimitives.WriteUInt64LittleEndian(tag.AsSpan(8), Inode);
        return tag;
    }

    public static bool TryParse(ReadOnlySpan<byte> tag, out FileIdentity identity)
    {
        identity = default;
        if (tag.Length != TagSize) return false;
        identity = new FileIdentity(BinaryPrimitives.ReadUInt64LittleEndian(tag), BinaryPrimitives.ReadUInt64LittleEndian(tag[8..]));
        return true;
    }

    public static long NowNs => (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;

    /// <summary>
    /// How long to wait until a change time can be trusted: 0 when it already can. A time ahead of our clock (a server
    /// whose clock differs) waits the full span: unchanged over it, the file is at rest.
    /// </summary>
    public static long UnsettledForNs(long changeNs, long nowNs)
    {
        if (changeNs >= nowNs) return SettledAfterNs;
        return Math.Max(0, SettledAfterNs - (nowNs - changeNs));
    }
}
