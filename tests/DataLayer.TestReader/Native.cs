using System.Runtime.InteropServices;

namespace DataLayer.TestReader;

/// <summary>System calls with raw byte paths: what a reader's program does, without the runtime's own opinions.</summary>
static unsafe partial class Native
{
    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int Create = 0x40;
    public const int Direct = 0x4000;
    public const int SeekData = 3;
    public const int SeekHole = 4;

    const string Library = "libc";

    [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
    public static partial int Open(byte[] path, int flags, int mode);

    [LibraryImport(Library, EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int file);

    [LibraryImport(Library, EntryPoint = "pread", SetLastError = true)]
    public static partial nint PRead(int file, byte* buffer, nint count, long offset);

    [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int file, byte* buffer, nint count);

    [LibraryImport(Library, EntryPoint = "posix_fadvise")]
    public static partial int FAdvise(int file, long offset, long length, int advice);

    [LibraryImport(Library, EntryPoint = "lseek", SetLastError = true)]
    public static partial long LSeek(int file, long offset, int whence);

    [LibraryImport(Library, EntryPoint = "sendfile", SetLastError = true)]
    public static partial nint SendFile(int to, int from, long* offset, nint count);

    [LibraryImport(Library, EntryPoint = "mmap", SetLastError = true)]
    public static partial void* MMap(void* address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport(Library, EntryPoint = "munmap", SetLastError = true)]
    public static partial int MUnmap(void* address, nuint length);

    [LibraryImport(Library, EntryPoint = "memfd_create", SetLastError = true)]
    public static partial int MemFd(byte[] name, uint flags);

    [LibraryImport(Library, EntryPoint = "unlink", SetLastError = true)]
    public static partial int Unlink(byte[] path);

    [LibraryImport(Library, EntryPoint = "mkdir", SetLastError = true)]
    public static partial int MkDir(byte[] path, uint mode);

    [LibraryImport(Library, EntryPoint = "rmdir", SetLastError = true)]
    public static partial int RmDir(byte[] path);

    [LibraryImport(Library, EntryPoint = "rename", SetLastError = true)]
    public static partial int Rename(byte[] from, byte[] to);

    [LibraryImport(Library, EntryPoint = "link", SetLastError = true)]
    public static partial int Link(byte[] from, byte[] to);

    [LibraryImport(Library, EntryPoint = "symlink", SetLastError = true)]
    public static partial int SymLink(byte[] target, byte[] path);

    [LibraryImport(Library, EntryPoint = "chmod", SetLastError = true)]
    public static partial int ChMod(byte[] path, uint mode);

    [LibraryImport(Library, EntryPoint = "truncate", SetLastError = true)]
    public static partial int Truncate(byte[] path, long length);

    [LibraryImport(Library, EntryPoint = "access", SetLastError = true)]
    public static partial int Access(byte[] path, int mode);

    [LibraryImport(Library, EntryPoint = "setxattr", SetLastError = true)]
    public static partial int SetXattr(byte[] path, byte[] name, byte[] value, nuint size, int flags);

    [LibraryImport(Library, EntryPoint = "getxattr", SetLastError = true)]
    public static partial nint GetXattr(byte[] path, byte[] name, byte[]? value, nuint size);

    [LibraryImport(Library, EntryPoint = "listxattr", SetLastError = true)]
    public static partial nint ListXattr(byte[] path, byte[]? list, nuint size);

    [LibraryImport(Library, EntryPoint = "readlink", SetLastError = true)]
    public static partial nint ReadLink(byte[] path, byte[] buffer, nuint size);

    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(int file, nuint command, ulong* argument);
}
