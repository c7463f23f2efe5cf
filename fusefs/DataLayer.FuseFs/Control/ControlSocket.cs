using System.Net.Sockets;

namespace DataLayer.FuseFs.Control;

/// <summary>
/// Where the process behind a mount listens for `stats` and `warm`. Named by the number of the FUSE connection, which is the
/// same in every mount namespace and can be read from mountinfo without touching (and perhaps hanging on) the mount itself.
/// </summary>
static class ControlSocket
{
    /// <summary>A directory only this user can enter: the socket has no other protection.</summary>
    public static string Directory
    {
        get
        {
            string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
            if (CurrentUser.IsRoot) return "/run/datalayer";
            return string.IsNullOrEmpty(runtime) ? $"/tmp/datalayer-{CurrentUser.Uid}" : Path.Combine(runtime, "datalayer");
        }
    }

    public static string PathFor(int connection) => Path.Combine(Directory, $"mount-{connection}.sock");

    /// <summary>Creates <see cref="Directory"/> with mode 0700, or refuses one that others could have prepared.</summary>
    /// <exception cref="UserException">It exists with wider permissions or is not ours.</exception>
    public static void EnsureDirectory()
    {
        const UnixFileMode ours = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        DirectoryInfo directory = System.IO.Directory.CreateDirectory(Directory, ours);
        if (directory.LinkTarget is not null || (directory.UnixFileMode & ~ours) != 0)
            throw new UserException($"{Directory} must be a directory of mode 0700 that you own: remove it and mount again.");
        // Fails with EPERM when someone else owns it, which is the other half of the check.
        try
        {
            File.SetUnixFileMode(Directory, ours);
        }
        catch (UnauthorizedAccessException)
        {
            throw new UserException($"{Directory} belongs to another user: set XDG_RUNTIME_DIR to a directory of yours.");
        }
    }

    public static async Task<Socket> ConnectAsync(int connection, string mountPoint, CancellationToken cancellation)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(PathFor(connection)), cancellation);
            return socket;
        }
        catch (SocketException fault)
        {
            socket.Dispose();
            throw new UserException($"{mountPoint}: the process serving it does not answer ({fault.SocketErrorCode}); if it is gone, run 'dl-fuse unmount {mountPoint}' or mount again.", fault);
        }
    }
}
