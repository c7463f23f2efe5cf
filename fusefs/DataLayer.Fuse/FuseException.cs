namespace DataLayer.Fuse;

/// <summary>A mount, unmount or connection that could not be made; the message names the path and the remedy.</summary>
public sealed class FuseException : IOException
{
    public FuseException(string message, Errno errno = Errno.None, Exception? inner = null) : base(message, inner) =>
        Errno = errno;

    /// <summary>What the kernel said, or <see cref="Errno.None"/> when no call failed.</summary>
    public Errno Errno { get; }
}
