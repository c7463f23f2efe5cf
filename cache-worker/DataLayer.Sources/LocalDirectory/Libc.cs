using System.Runtime.InteropServices;

namespace DataLayer.Sources.LocalDirectory;

/// <summary>
/// The system calls of this source, by their byte-path forms: .NET's own file API decodes names to UTF-16 and so loses
/// names that are not UTF-8. All return -1 and set errno (<see cref="Marshal.GetLastPInvokeError"/>) on failure.
/// </summary>
internal static unsafe partial class Libc
{
    // include/uapi/asm-generic/fcntl.h and the x86-64 and arm64 overrides: these differ between the two.
    static readonly bool Arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public const int O_RDONLY = 0;
    public const int O_NONBLOCK = 0x800;
    public const int O_CLOEXEC = 0x80000;
    public const int O_PATH = 0x200000;
    public static readonly int O_DIRECTORY = Arm ? 0x4000 : 0x10000;
    public static readonly int O_NOFOLLOW = Arm ? 0x8000 : 0x20000;

    public const int AT_FDCWD = -100;
    public const int AT_SYMLINK_NOFOLLOW = 0x100;
    public const int AT_EMPTY_PATH = 0x1000;
    /// <summary>Ask the server of a network filesystem, not its attribute cache (up to 60 s old on NFS).</summary>
    public const int AT_STATX_FORCE_SYNC = 0x2000;

    public const uint STATX_BASIC_STATS = 0x7ff;

    public const ulong RESOLVE_NO_MAGICLINKS = 0x02;
    public const ulong RESOLVE_NO_SYMLINKS = 0x04;
    public const ulong RESOLVE_BENEATH = 0x08;

    public const int EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, EAGAIN = 11, EACCES = 13, ENOTDIR = 20, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENAMETOOLONG = 36, ENOSYS = 38, ELOOP = 40, ESTALE = 116, E2BIG = 7, ENXIO = 6, EXDEV = 18;

    const long SYS_openat2 = 437; // the same on every architecture

    [StructLayout(LayoutKind.Sequential)]
    public struct OpenHow
    {
        public ulong Flags, Mode, Resolve;
    }

    /// <summary>struct statx of include/uapi/linux/stat.h, the same on every architecture (which struct stat is not).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Statx
    {
        [FieldOffset(20)] public uint Uid;
        [FieldOffset(24)] public uint Gid;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Ino;
        [FieldOffset(40)] public ulong Size;
        [FieldOffset(96)] public StatxTime Ctime;
        [FieldOffset(112)] public StatxTime Mtime;

        public readonly int Type => Mode & 0xF000;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct StatxTime
    {
        public long Seconds;
        public uint Nanoseconds;
        public int Reserved;

        /// <summary>Nanoseconds since the epoch, clamped to what 64 bits hold (years 1677 to 2262).</summary>
        public readonly long TotalNanoseconds =>
            Seconds > 9_223_372_035 ? long.MaxValue : Seconds < -9_223_372_035 ? -long.MaxValue : Seconds * 1_000_000_000 + Nanoseconds;
    }

    public const int S_IFSOCK = 0xC000, S_IFLNK = 0xA000, S_IFREG = 0x8000, S_IFBLK = 0x6000, S_IFDIR = 0x4000, S_IFCHR = 0x2000, S_IFIFO = 0x1000;

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int directory, byte* path, int flags, uint mode);

    /// <summary>openat2 has no wrapper in glibc.</summary>
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long OpenAt2(long number, long directory, byte* path, OpenHow* how, nuint size);

    public static int OpenAt2(int directory, byte* path, OpenHow* how) => (int)OpenAt2(SYS_openat2, directory, path, how, (nuint)sizeof(OpenHow));

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static partial int GetStatx(int directory, byte* path, int flags, uint mask, Statx* result);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    public static partial nint GetDents64(int fd, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint ReadLinkAt(int directory, byte* path, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "pread64", SetLastError = true)]
    public static partial nint PRead(int fd, byte* buffer, nuint count, long offset);
}
