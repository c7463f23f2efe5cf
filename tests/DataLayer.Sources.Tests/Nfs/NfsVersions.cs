namespace DataLayer.Sources.Tests.Nfs;

internal static class NfsVersions
{
    /// <summary>Both at once: most of such a test's time is the 2 s that a new file is held back.</summary>
    public static Task ForBothAsync(Func<int, Task> test) => Task.WhenAll(RunAsync(3, test), RunAsync(4, test));

    static async Task RunAsync(int version, Func<int, Task> test)
    {
        try
        {
            await test(version);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Version {version}: {e.Message}", e);
        }
    }
}
