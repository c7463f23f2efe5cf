using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Counters of one mount; all only grow. Bytes unless the name says otherwise.</summary>
public readonly record struct ReadCounters(
    long Hits, long Misses, long BytesFromCache, long BytesFromSource, long SourceReads, long SourceErrors, long Stale);

/// <summary>Options of a dataset in a block store.</summary>
public sealed record DatasetOptions
{
    /// <summary>Stable name of the dataset, the same across its snapshots: space is accounted to it.</summary>
    public required string Name { get; init; }
    /// <summary>Share of the cache among the active datasets.</summary>
    public double Weight { get; init; } = 1;
    /// <summary>A read that cannot be answered within this time fails.</summary>
    public TimeSpan ReadDeadline { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>
/// Reads the files of one snapshot: the one place that decides the order own store → source → again → fault.
/// Safe for concurrent use.
/// </summary>
public sealed class DatasetReader : IAsyncDisposable
{
    public DatasetReader(BlockStore store, Manifest manifest, IReadOnlyList<ISource> sources, DatasetOptions options) => throw new NotImplementedException();

    /// <summary>
    /// Copies up to destination.Length bytes of the file at <paramref name="offset"/> if they are in the store and their
    /// checksum holds. Never waits for a source or another reader; allocates nothing.
    /// </summary>
    /// <returns>Bytes copied (short only at end of file), or -1 when <see cref="ReadAsync"/> is needed.</returns>
    public int TryRead(in FileLocation file, long offset, Span<byte> destination) => throw new NotImplementedException();

    /// <summary>The same, fetching what is missing; what someone waits for goes before background filling.</summary>
    /// <exception cref="SourceException">After the deadline at the latest.</exception>
    public ValueTask<int> ReadAsync(FileLocation file, long offset, Memory<byte> destination, CancellationToken cancellation) => throw new NotImplementedException();

    /// <summary>Brings whole files into the store. Reports bytes done; does not evict other data of this dataset to do so.</summary>
    public Task WarmAsync(IReadOnlyList<EntryIndex> files, IProgress<long>? progress, CancellationToken cancellation) => throw new NotImplementedException();

    /// <summary>Bytes of this file present in the store.</summary>
    public long CachedBytes(in FileLocation file) => throw new NotImplementedException();

    public ReadCounters Counters => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>A directory of block files with a hard size limit; see README.</summary>
public sealed class BlockStore : IAsyncDisposable
{
    /// <summary>Opens the store, as owner or through the process that owns it.</summary>
    public static Task<BlockStore> OpenAsync(string directory, long capacity, CancellationToken cancellation) => throw new NotImplementedException();

    /// <summary>Bytes on disk, and the limit.</summary>
    public (long Used, long Capacity) Space => throw new NotImplementedException();
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
