namespace DataLayer.Fuse;

/// <summary>The kernel's name for an inode of one mount (<c>nodeid</c>): chosen by the filesystem, never 0, 1 is the root.</summary>
public readonly record struct FuseNodeId(ulong Value)
{
    public static FuseNodeId Root => new(1);

    public override string ToString() => Value.ToString();
}

/// <summary>
/// What the filesystem answered to OPEN or OPENDIR (<c>fh</c>), echoed by the kernel in every call on that open file.
/// 0 in all calls once OPEN or OPENDIR was answered with <see cref="Errno.ENOSYS"/>.
/// </summary>
public readonly record struct FuseHandle(ulong Value)
{
    public override string ToString() => Value.ToString();
}
