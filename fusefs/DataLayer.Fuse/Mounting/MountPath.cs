using System.Text;

namespace DataLayer.Fuse;

/// <summary>
/// The absolute path of a mount point as the kernel names it: symbolic links of the directories above it resolved, the last
/// component left alone, because looking at it may fail or hang when its daemon is gone.
/// </summary>
static class MountPath
{
    public static string Resolve(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string? parent = Path.GetDirectoryName(full);
        if (parent is null) return full;
        string resolved = "/";
        foreach (string name in parent.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            resolved = Path.Combine(resolved, name);
            if (new FileInfo(resolved).ResolveLinkTarget(returnFinalTarget: true) is { } target) resolved = Resolve(target.FullName);
        }
        return Path.Combine(resolved, Path.GetFileName(full));
    }

    /// <summary>UTF-8 with a final NUL, for system calls.</summary>
    public static byte[] Terminated(string path) => Encoding.UTF8.GetBytes(path + "\0");
}
