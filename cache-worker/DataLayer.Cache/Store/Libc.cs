using System.Runtime.InteropServices;

namespace DataLayer.Cache;

/// <summary>
/// The system calls the store needs and .NET does not offer. Descriptors are plain integers: their lifetime is
/// <see cref="BlockFile"/>'s use count, without a second one in a SafeHandle on every read.
/// </summary>
internal static unsafe partial class Libc
{
    public const int ENOENT = 2, EIO = 5, EEXIST = 17, EINVAL = 22, ENOSPC = 28, EROFS = 30, EOPNOTSUPP = 95;

    // Values of x86-64 and arm64; the flags that differ between the two (O_DIRECTORY, O_NOFOLLOW) are not used.
    public const int O_RDONLY = 0, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80, O_CLOEXEC = 0x80000, O_PATH = 0x200000;
    public const int LOCK_EX = 2, LOCK_NB = 4;
    public const int PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20;

    const int F_OFD_SETLK = 37;
    const short F_WRLCK = 1, F_UNLCK = 2;
    const int RLIMIT_NOFILE = 7;

    public static int LastError => Marshal.GetLastPInvokeError();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, int mode = 0);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial nint PRead(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    public static partial nint PWrite(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "preadv2", SetLastError = true)]
    private static partial nint PReadV2(int fd, IoVector* vectors, int count, long offset, int flags);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int FAdvise(int fd, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int FTruncate(int fd, long length);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int FDataSync(int fd);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int FSync(int fd);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    public static partial int FLock(int fd, int operation);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial void* MMap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int MUnmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int MAdvise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Rename(string from, string to);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MkDir(string path, int mode);

    [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChMod(string path, int mode);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint GetEUid();

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int directory, string path, int flags, uint mask, byte* result);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int FCntl(int fd, int command, FileLock* argument);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static partial int GetRLimit(int resource, ulong* limits);

    [StructLayout(LayoutKind.Sequential)]
    struct FileLock
    {
        public short Type, Whence;
        public long Start, Length;
        public int Pid;
    }

    /// <summary>Takes a byte range of an open file description for writing, without waiting; it dies with the description.</summary>
    public static bool TryLockRange(int fd, long start, long length) => SetLock(fd, F_WRLCK, start, length);

    public static void UnlockRange(int fd, long start, long length) => SetLock(fd, F_UNLCK, start, length);

    static bool SetLock(int fd, short type, long start, long length)
    {
        FileLock range = new() { Type = type, Start = start, Length = length };
        return FCntl(fd, F_OFD_SETLK, &range) == 0;
    }

    struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>
    /// Reads from memory only: the bytes at the start of the span that needed no disk (RWF_NOWAIT), or -errno; -EAGAIN when
    /// there are none, -EOPNOTSUPP where the file system cannot tell. The kernel starts to read what is missing.
    /// </summary>
    public static int ReadCached(int fd, Span<byte> destination, long offset)
    {
        const int RWF_NOWAIT = 8;
        // Safe: the vector describes the pinned span.
        fixed (byte* start = destination)
        {
            IoVector vector = new() { Base = start, Length = (nuint)destination.Length };
            nint got = PReadV2(fd, &vector, 1, offset, RWF_NOWAIT);
            return got < 0 ? -LastError : (int)got;
        }
    }

    /// <summary>
    /// Brings the first bytes of a file into the page cache and waits for them; a hint, so that a failure is none. By
    /// populating a mapping that is never touched: that reads in large folios and took 0.02 s of CPU per GiB here, where
    /// POSIX_FADV_WILLNEED took 0.25 s, page by page, and reads after it took a third longer. Kernels before 5.14 have only that.
    /// </summary>
    public static void Populate(int fd, long length)
    {
        const int MADV_HUGEPAGE = 14, MADV_POPULATE_READ = 22, POSIX_FADV_WILLNEED = 3;
        // Safe: only this method knows the mapping; populating one of a file that shrank fails, and does not fault.
        void* map = MMap(null, (nuint)length, PROT_READ, MAP_SHARED, fd, 0);
        if ((nint)map == -1) return;
        _ = MAdvise(map, (nuint)length, MADV_HUGEPAGE);
        bool populated = MAdvise(map, (nuint)length, MADV_POPULATE_READ) == 0 || LastError != EINVAL;
        _ = MUnmap(map, (nuint)length);
        if (!populated) _ = FAdvise(fd, 0, length, POSIX_FADV_WILLNEED);
    }

    /// <summary>Reads exactly the span, or fewer bytes at end of file. Returns the count, or -errno.</summary>
    public static int ReadAt(int fd, Span<byte> destination, long offset)
    {
        int done = 0;
        // Safe: the pointer stays inside the pinned span for the length handed to the kernel.
        fixed (byte* start = destination)
        {
            while (done < destination.Length)
            {
                nint got = PRead(fd, start + done, (nuint)(destination.Length - done), offset + done);
                if (got < 0) return -LastError;
                if (got == 0) break;
                done += (int)got;
            }
        }
        return done;
    }

    /// <summary>Writes the whole span. Returns 0 or the errno.</summary>
    public static int WriteAt(int fd, ReadOnlySpan<byte> source, long offset)
    {
        int done = 0;
        // Safe: the pointer stays inside the pinned span for the length handed to the kernel.
        fixed (byte* start = source)
        {
            while (done < source.Length)
            {
                nint put = PWrite(fd, start + done, (nuint)(source.Length - done), offset + done);
                if (put < 0) return LastError;
                if (put == 0) return ENOSPC;
                done += (int)put;
            }
        }
        return 0;
    }

    /// <summary>Owner and permission bits of a path, symlinks followed. Returns 0 or the errno.</summary>
    public static int Stat(string path, out uint uid, out int mode)
    {
        // struct statx of include/uapi/linux/stat.h: 256 bytes; stx_uid at 20, stx_mode (16 bits) at 28.
        byte* result = stackalloc byte[256];
        const uint STATX_MODE_AND_UID = 0x1 | 0x2 | 0x8;
        const int AT_FDCWD = -100;
        int code = StatX(AT_FDCWD, path, 0, STATX_MODE_AND_UID, result);
        // Safe: both offsets lie within the 256 bytes above.
        uid = code == 0 ? *(uint*)(result + 20) : 0;
        mode = code == 0 ? *(ushort*)(result + 28) : 0;
        return code == 0 ? 0 : LastError;
    }

    public static long OpenFileLimit()
    {
        ulong* limits = stackalloc ulong[2];
        return GetRLimit(RLIMIT_NOFILE, limits) == 0 ? (long)Math.Min(limits[0], int.MaxValue) : 1024;
    }

    public static string Describe(int errno) => $"{Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})";
}
