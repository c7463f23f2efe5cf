namespace DataLayer.Fuse;

/// <summary>The kernel's read-ahead of a mount. INIT can lower it, only the file of its backing device can raise it.</summary>
static class ReadAhead
{
    /// <returns>False where that is not permitted: reads work, in smaller steps.</returns>
    public static bool TrySet(MountEntry mount, int bytes)
    {
        try
        {
            File.WriteAllText($"/sys/class/bdi/{mount.Major}:{mount.Minor}/read_ahead_kb", (bytes >> 10).ToString());
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
