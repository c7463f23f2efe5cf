using System.Buffers.Binary;

namespace DataLayer.Sources.LocalDirectory;

/// <summary>
/// The identity of a version of a file beside its size: ctime and inode. mtime needs no place of its own: whatever sets
/// mtime also sets ctime, and ctime cannot be set back by a user. As a version tag: 16 bytes, ctime in nanoseconds
/// (i64 LE), inode (u64 LE).
/// </summary>
internal readonly record struct FileIdentity(long CtimeNs, ulong Inode)
{
    public const int TagSize = 16;

    /// <summary>
    /// Kernels stamp files with a clock that ticks every 1 to 10 ms, NFS servers and FAT-like filesystems every 1 to 2 s:
    /// two writes within one tick leave the same ctime. Older than this, a ctime tells every version apart.
    /// </summary>
    public const long SettledAfterNs = 2_000_000_000;

    public FileIdentity(in Libc.Statx stat) : this(stat.Ctime.TotalNanoseconds, stat.Ino)
    {
    }

    public byte[] ToTag()
    {
        byte[] tag = new byte[TagSize];
        BinaryPrimitives.WriteInt64LittleEndian(tag, CtimeNs);
        BinaryPrimitives.WriteUInt64LittleEndian(tag.AsSpan(8), Inode);
        return tag;
    }

    public static bool TryParse(ReadOnlySpan<byte> tag, out FileIdentity identity)
    {
        identity = default;
        if (tag.Length != TagSize) return false;
        identity = new FileIdentity(BinaryPrimitives.ReadInt64LittleEndian(tag), BinaryPrimitives.ReadUInt64LittleEndian(tag[8..]));
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
