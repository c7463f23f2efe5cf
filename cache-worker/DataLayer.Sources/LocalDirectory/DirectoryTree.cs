using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources.LocalDirectory;

/// <summary>
/// Opens things below one root directory by byte path and never follows a symlink on the way, so that a link swapped in
/// by whoever writes to the NAS cannot lead out of it. Other filesystems mounted below the root are entered. Blocking.
/// </summary>
internal sealed unsafe class DirectoryTree(string rootPath)
{
    /// <summary>PATH_MAX is 4096 with its NUL; a longer key is opened in several hops.</summary>
    const int HopLimit = 4000;

    /// <summary>Set once openat2 turned out to be missing (before Linux 5.6) or forbidden by a seccomp filter.</summary>
    bool _stepwise;

    /// <summary>For tests: open component by component, as on kernels without openat2.</summary>
    internal bool Stepwise
    {
        set => _stepwise = value;
    }

    ulong _rootInode;

    public string RootPath => rootPath;

    /// <summary>
    /// Opened for every use and not held: a held descriptor keeps an operator from unmounting the NAS, and after a remount
    /// it would go on showing the old one.
    /// </summary>
    /// <exception cref="SourceException">Misconfigured (no such directory), Denied, Unavailable.</exception>
    public FileDescriptor OpenRoot()
    {
        byte[] path = Encoding.UTF8.GetBytes(rootPath + "\0");
        int fd;
        // Safety: path is NUL-terminated and pinned for the call.
        fixed (byte* p = path) fd = Libc.OpenAt(Libc.AT_FDCWD, p, Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        if (fd < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            throw errno switch
            {
                Libc.ENOENT => new SourceException(SourceFault.Misconfigured, $"The directory {rootPath} does not exist; check the path, or mount it first."),
                Libc.ENOTDIR => new SourceException(SourceFault.Misconfigured, $"{rootPath} is not a directory."),
                _ => Fault(errno, "open", []),
            };
        }
        FileDescriptor root = new(fd);
        if (_rootInode == 0 && TryStat(root, [], force: false, out Libc.Statx stat)) _rootInode = stat.Ino;
        return root;
    }

    /// <summary>
    /// A key that is gone may mean a NAS that is not mounted any more, which leaves its empty mount point behind.
    /// </summary>
    public bool IsStillTheSameRoot(FileDescriptor root) =>
        TryStat(root, [], force: false, out Libc.Statx stat) && stat.Ino == _rootInode;

    /// <param name="key">Relative, without NUL, empty, '.' or '..' components; empty for the root itself.</param>
    /// <returns>An invalid descriptor on failure; errno says why.</returns>
    public FileDescriptor Open(FileDescriptor root, ReadOnlySpan<byte> key, int flags, out int errno)
    {
        if (key.IsEmpty) key = "."u8;
        FileDescriptor directory = default;
        try
        {
            while (key.Length > HopLimit)
            {
                int cut = key[..HopLimit].LastIndexOf((byte)'/');
                if (cut <= 0)
                {
                    errno = Libc.ENAMETOOLONG;
                    return FileDescriptor.None;
                }
                FileDescriptor next = OpenHop(directory.IsOpen ? directory : root, key[..cut], Libc.O_PATH | Libc.O_DIRECTORY, out errno);
                directory.Dispose();
                directory = next;
                if (!directory.IsOpen) return FileDescriptor.None;
                key = key[(cut + 1)..];
            }
            return OpenHop(directory.IsOpen ? directory : root, key, flags, out errno);
        }
        finally
        {
            directory.Dispose();
        }
    }

    FileDescriptor OpenHop(FileDescriptor from, ReadOnlySpan<byte> path, int flags, out int errno)
    {
        flags |= Libc.O_CLOEXEC | Libc.O_NOFOLLOW;
        byte* name = stackalloc byte[HopLimit + 1];
        path.CopyTo(new Span<byte>(name, HopLimit));
        name[path.Length] = 0;

        if (!_stepwise)
        {
            Libc.OpenHow how = new() { Flags = (ulong)flags, Resolve = Libc.RESOLVE_BENEATH | Libc.RESOLVE_NO_SYMLINKS | Libc.RESOLVE_NO_MAGICLINKS };
            for (int attempt = 0; ; attempt++)
            {
                // Safety: name is NUL-terminated and lives on this stack.
                int fd = Libc.OpenAt2(from.Number, name, &how);
                errno = fd < 0 ? Marshal.GetLastPInvokeError() : 0;
                if (errno == Libc.EINTR) continue;
                // EAGAIN: a rename or mount somewhere raced with the walk and beneath-ness could not be shown (openat2(2)).
                if (errno == Libc.EAGAIN && attempt < 32) continue;
                if (errno is Libc.ENOSYS or Libc.E2BIG || (errno == Libc.EPERM && attempt == 0)) break;
                return new FileDescriptor(fd);
            }
            if (errno != Libc.EPERM) _stepwise = true;
        }
        return OpenStepwise(from, path, flags, out errno);
    }

    static FileDescriptor OpenStepwise(FileDescriptor from, ReadOnlySpan<byte> path, int flags, out int errno)
    {
        byte* name = stackalloc byte[HopLimit + 1];
        FileDescriptor directory = default;
        while (true)
        {
            int slash = path.IndexOf((byte)'/');
            ReadOnlySpan<byte> component = slash < 0 ? path : path[..slash];
            component.CopyTo(new Span<byte>(name, HopLimit));
            name[component.Length] = 0;
            int stepFlags = slash < 0 ? flags : Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC | Libc.O_NOFOLLOW;
            int fd;
            do
            {
                // Safety: name is NUL-terminated and lives on this stack.
                fd = Libc.OpenAt(directory.IsOpen ? directory.Number : from.Number, name, stepFlags, 0);
                errno = fd < 0 ? Marshal.GetLastPInvokeError() : 0;
            }
            while (errno == Libc.EINTR);
            directory.Dispose();
            if (slash < 0 || fd < 0) return new FileDescriptor(fd);
            directory = new FileDescriptor(fd);
            path = path[(slash + 1)..];
        }
    }

    /// <param name="name">One component below <paramref name="directory"/>, or empty for the descriptor itself.</param>
    /// <param name="force">Ask a network filesystem's server.</param>
    public static bool TryStat(FileDescriptor directory, ReadOnlySpan<byte> name, bool force, out Libc.Statx stat)
    {
        byte* path = stackalloc byte[HopLimit + 1];
        name.CopyTo(new Span<byte>(path, HopLimit));
        path[name.Length] = 0;
        int flags = Libc.AT_SYMLINK_NOFOLLOW | (name.IsEmpty ? Libc.AT_EMPTY_PATH : 0) | (force ? Libc.AT_STATX_FORCE_SYNC : 0);
        int result;
        // Safety: path is NUL-terminated on this stack; the result is a local struct of the kernel's size.
        fixed (Libc.Statx* s = &stat)
        {
            do result = Libc.GetStatx(directory.Number, path, flags, Libc.STATX_BASIC_STATS, s);
            while (result < 0 && Marshal.GetLastPInvokeError() == Libc.EINTR);
        }
        return result == 0;
    }

    /// <returns>The link's target, or null (errno says why).</returns>
    public static byte[]? ReadLink(FileDescriptor directory, ReadOnlySpan<byte> name)
    {
        byte* path = stackalloc byte[HopLimit + 1];
        name.CopyTo(new Span<byte>(path, HopLimit));
        path[name.Length] = 0;
        // A target is at most PATH_MAX - 1 bytes (symlink(2)).
        byte* target = stackalloc byte[4096];
        // Safety: both buffers live on this stack; the size given is the size of the second.
        nint length = Libc.ReadLinkAt(directory.Number, path, target, 4096);
        return length < 0 ? null : new ReadOnlySpan<byte>(target, (int)length).ToArray();
    }

    public static bool IsKey(ReadOnlySpan<byte> key)
    {
        if (key.Contains((byte)0)) return false;
        while (true)
        {
            int slash = key.IndexOf((byte)'/');
            ReadOnlySpan<byte> component = slash < 0 ? key : key[..slash];
            if (component.IsEmpty || component.SequenceEqual("."u8) || component.SequenceEqual(".."u8) || component.Length > 255) return false;
            if (slash < 0) return true;
            key = key[(slash + 1)..];
        }
    }

    public SourceException Fault(int errno, string call, ReadOnlySpan<byte> key)
    {
        string path = Display(key);
        return errno switch
        {
            Libc.EACCES or Libc.EPERM => new SourceException(SourceFault.Denied, $"{path}: permission denied; run as a user that may read it, or change its mode."),
            Libc.EMFILE or Libc.ENFILE => new SourceException(SourceFault.Unavailable, $"{path}: too many open files; raise the limit (ulimit -n)."),
            _ => new SourceException(SourceFault.Unavailable, $"{path}: {call} failed: {Marshal.GetPInvokeErrorMessage(errno)}; is the storage behind it reachable?"),
        };
    }

    /// <summary>A path to show: what is not UTF-8 or not printable becomes '?'.</summary>
    public string Display(ReadOnlySpan<byte> key)
    {
        char[] text = (rootPath.TrimEnd('/') + "/" + Encoding.UTF8.GetString(key)).ToCharArray();
        for (int i = 0; i < text.Length; i++)
            if (char.IsControl(text[i]) || text[i] == '\uFFFD') text[i] = '?';
        return new string(text);
    }
}

/// <summary>An open file descriptor; to be disposed once.</summary>
internal readonly struct FileDescriptor : IDisposable
{
    public static readonly FileDescriptor None = new(-1);

    readonly int _plusOne;

    public FileDescriptor(int fd) => _plusOne = fd + 1;

    public bool IsOpen => _plusOne > 0;
    public int Number => _plusOne - 1;

    public void Dispose()
    {
        if (IsOpen) Libc.Close(Number);
    }
}
