namespace DataLayer.Fuse;

/// <summary>The kernel's read-ahead of a mount.</summary>
static class ReadAhead
{
    /// <summary>
    /// Sets it through the file of the mount's backing device. Only after INIT, which lowers it to 128 KiB at most.
    /// </summary>
    public static void Raise(int connectionId, FuseOptions options)
    {
        if (options.ReadAhead == 0) return;
        try
        {
            File.WriteAllText($"/sys/class/bdi/0:{connectionId}/read_ahead_kb", (options.ReadAhead >> 10).ToString());
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Reads work all the same, in smaller steps.
            options.Log(FuseLogLevel.Information, "Read-ahead stays at 128 KiB: raising it needs root and a writable /sys.");
        }
    }
}
