using System.Runtime.InteropServices;

namespace DataLayer.Sources.Nfs;

/// <summary>Who this process is for a server that believes what it is told (AUTH_SYS).</summary>
internal static unsafe partial class ProcessIdentity
{
    public static uint User => geteuid();

    public static uint Group => getegid();

    /// <summary>As they were when first asked for: they do not change in a running service.</summary>
    public static uint[] SupplementaryGroups { get; } = ReadGroups();

    static uint[] ReadGroups()
    {
        int count = getgroups(0, null);
        if (count <= 0) return [];
        uint[] groups = new uint[count];
        // Safety: pinned for the call, with its own length.
        fixed (uint* p = groups) count = getgroups(count, p);
        uint own = Group;
        return count < 0 ? [] : [.. groups.Take(count).Where(g => g != own)];
    }

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc")]
    private static partial uint getegid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getgroups(int size, uint* list);
}
