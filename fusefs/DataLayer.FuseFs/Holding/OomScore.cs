using System.Globalization;

namespace DataLayer.FuseFs.Holding;

/// <summary>oom_score_adj of this process: who goes first when memory runs out.</summary>
static class OomScore
{
    const string File = "/proc/self/oom_score_adj";

    // Only above what the kernel never kills (-1000): a holder weighs a few MiB, and every mount with it.
    const int Last = -998;

    /// <summary>Makes this process the last to go, where that is permitted (CAP_SYS_RESOURCE).</summary>
    /// <returns>What it was.</returns>
    public static int Lower()
    {
        int before = int.Parse(System.IO.File.ReadAllText(File), CultureInfo.InvariantCulture);
        TrySet(Last);
        return before;
    }

    /// <summary>Children inherit the value: one that serves takes this back.</summary>
    public static void TrySet(int value)
    {
        try
        {
            System.IO.File.WriteAllText(File, value.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.Debug($"{File}: {fault.Message}");
        }
    }
}
