namespace DataLayer.Cache;

/// <summary>Options of a block store; sizes in bytes.</summary>
public sealed record BlockStoreOptions
{
    /// <summary>Made if missing, for this user only.</summary>
    public required string Directory { get; init; }

    /// <summary>Hard limit on what the store takes on disk. When several processes share a store, its owner's holds.</summary>
    public required long Capacity { get; init; }

    /// <summary>Stays free on the disk whatever the capacity says; null: 1 GiB, or a fiftieth of a smaller disk.</summary>
    public long? DiskReserve { get; init; }

    /// <summary>
    /// Memory that fetched bytes pass through. 48 MiB hold what 1 GB/s brings in 48 ms: three times the 15 ms an object
    /// store takes to answer, so that the link stays full.
    /// </summary>
    public long FetchMemory { get; init; } = 48 << 20;

    /// <summary>Quota, priority and pins by dataset name, in force before anything is evicted. Only the store's owner keeps them.</summary>
    public IReadOnlyDictionary<string, DatasetPolicy> Policies { get; init; } = new Dictionary<string, DatasetPolicy>();

    /// <summary>One line each, for conditions an operator should know of.</summary>
    public Action<string> Warn { get; init; } = static _ => { };

    /// <summary>
    /// How long a disk that refused is left alone: long enough not to hammer it, short enough that one that was cleaned up
    /// is used soon.
    /// </summary>
    internal TimeSpan RetryDisk { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Directory);
        if (Capacity <= 0) throw new StoreException($"cache size {Capacity}: must be positive");
        if (DiskReserve < 0) throw new StoreException($"disk reserve {DiskReserve}: must not be negative");
        if (FetchMemory < 4 << 20) throw new StoreException($"fetch memory {FetchMemory}: at least 4 MiB");
    }

    internal long ReserveOn(DriveInfo disk) => DiskReserve ?? Math.Min(1L << 30, disk.TotalSize / 50);
}
