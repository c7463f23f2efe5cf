using System.Runtime.InteropServices;

namespace DataLayer.FuseFs;

/// <summary>Effective ids of this process.</summary>
static partial class CurrentUser
{
    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUid();

    [LibraryImport("libc", EntryPoint = "getegid")]
    private static partial uint GetEffectiveGid();

    public static uint Uid { get; } = GetEffectiveUid();
    public static uint Gid { get; } = GetEffectiveGid();
    public static bool IsRoot => Uid == 0;
}
