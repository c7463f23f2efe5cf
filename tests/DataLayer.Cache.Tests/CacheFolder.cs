namespace DataLayer.Cache.Tests;

/// <summary>A scratch directory for one test, removed at its end.</summary>
internal sealed class CacheFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("datalayer-cache-").FullName;

    public string Cache => System.IO.Path.Combine(Path, "cache");

    public Task<BlockStore> OpenAsync(long capacity = 1L << 30, List<string>? warnings = null) => BlockStore.OpenAsync(new BlockStoreOptions
    {
        Directory = Cache,
        Capacity = capacity,
        DiskReserve = 0,
        Warn = line => { if (warnings != null) lock (warnings) warnings.Add(line); },
    }, CancellationToken.None);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
