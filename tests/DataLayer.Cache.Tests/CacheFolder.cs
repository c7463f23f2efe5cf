namespace DataLayer.Cache.Tests;

/// <summary>A scratch directory for one test, removed at its end.</summary>
internal sealed class CacheFolder : IDisposable
{
    // Memory where there is some: most tests are about what is written, not about the disk.
    public string Path { get; } = System.IO.Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath(), $"datalayer-cache-{Guid.NewGuid():N}");

    public CacheFolder() => Directory.CreateDirectory(Path);

    public string Cache => System.IO.Path.Combine(Path, "cache");

    public Task<BlockStore> OpenAsync(long capacity = 1L << 30, List<string>? warnings = null, string? directory = null) => BlockStore.OpenAsync(new BlockStoreOptions
    {
        Directory = directory ?? Cache,
        Capacity = capacity,
        DiskReserve = 0,
        RetryDisk = TimeSpan.FromMilliseconds(200),
        Warn = line => { if (warnings != null) lock (warnings) warnings.Add(line); },
    }, CancellationToken.None);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
