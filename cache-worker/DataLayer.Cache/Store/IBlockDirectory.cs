using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Leave to use a block file that exists on disk. The serial tells it from earlier files of the same id.</summary>
internal readonly record struct BlockGrant(ulong Serial, DatasetTag Tag);

/// <summary>A dataset some mount reads, as the owner of the store knows it.</summary>
/// <param name="Number">Unique within one process.</param>
/// <param name="Contains">Which of the block files its snapshot contains; may be called from any thread.</param>
internal sealed record Registration(int Number, string Dataset, double Weight, Func<BlockFileId, bool> Contains)
{
    public DatasetTag Tag { get; } = DatasetTag.Of(Dataset);
}

/// <summary>Used and capacity in bytes; the other two count.</summary>
internal readonly record struct StoreSpace(long Used, long Capacity, long BlockFiles, long Evictions);

/// <summary>
/// Decides which block files exist: by itself (<see cref="OwnedDirectory"/>) or by asking the process that owns the store
/// (RemoteDirectory). What is in the files is not its business. Safe for concurrent use.
/// </summary>
internal interface IBlockDirectory : IAsyncDisposable
{
    void Register(Registration registration);
    void Unregister(Registration registration);

    /// <summary>
    /// Finds the block file or, if told to, makes room and creates it. Null: not there and not admitted, or nobody to ask
    /// at present. Every grant is returned by <see cref="Close"/>; until then its space counts.
    /// </summary>
    ValueTask<BlockGrant?> OpenAsync(Registration registration, BlockSpec spec, bool admit, CancellationToken cancellation);

    void Close(BlockGrant grant, BlockFileId id);

    /// <summary>Bytes that were written into an admitted block file, so that the disk's free space is judged rightly.</summary>
    void Wrote(BlockGrant grant, long bytes);

    /// <summary>Keeps a block file from eviction while the kernel reads it itself.</summary>
    void Pin(BlockGrant grant, bool pinned);

    /// <summary>Removes a block file that turned out unusable.</summary>
    void Discard(BlockGrant grant, BlockFileId id);

    StoreSpace Space { get; }
}
