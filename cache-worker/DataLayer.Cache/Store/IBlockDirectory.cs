using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Leave to use a block file that exists on disk. The serial tells it from earlier files of the same id.</summary>
internal readonly record struct BlockGrant(ulong Serial, DatasetTag Tag);

/// <summary>A dataset some mount reads, as the owner of the store knows it.</summary>
/// <param name="number">Unique within one process.</param>
/// <param name="contains">Tells for each of some block files whether the mount's snapshot contains it; called from any thread, does not fault.</param>
internal sealed class Registration(int number, string dataset, double weight, Func<IReadOnlyList<BlockFileId>, CancellationToken, ValueTask<bool[]>> contains)
{
    public int Number => number;
    public string Dataset => dataset;
    public double Weight => weight;
    public DatasetTag Tag { get; } = DatasetTag.Of(dataset);

    /// <summary>Counts as idle when it read nothing for this long; null: in use as long as it is registered, as a mount whose reads the kernel answers.</summary>
    public TimeSpan? IdleAfter { get; init; }

    /// <summary>Count of reads so far; looked at now and then.</summary>
    public Func<long>? Reads { get; init; }

    long _readBefore = -1;
    DateTime _lastUse;

    internal void Use(DateTime now) => _lastUse = now;

    /// <summary>Under the ledger's lock, as <see cref="Use"/>.</summary>
    /// <param name="lastUse">The latest time at which a read was noticed.</param>
    internal bool IsInUse(DateTime now, out DateTime lastUse)
    {
        long read = Reads?.Invoke() ?? 0;
        if (read != _readBefore) (_readBefore, _lastUse) = (read, now);
        lastUse = _lastUse;
        return IdleAfter is not { } idle || now - _lastUse < idle;
    }

    /// <summary>What a mount names when it borrows from its worker; null where the store is its own.</summary>
    public SnapshotId? Snapshot { get; init; }

    public ValueTask<bool[]> Contains(IReadOnlyList<BlockFileId> ids, CancellationToken cancellation) => contains(ids, cancellation);
}

/// <summary>The open files of a block; whoever has this closes them.</summary>
internal readonly record struct BlockDescriptors(int Data, int Sums, bool IsReadOnly)
{
    /// <param name="readOnly">Asks for no more than reading.</param>
    public static int Open(StorePaths paths, BlockGrant grant, BlockFileId id, bool readOnly, out BlockDescriptors files)
    {
        files = new BlockDescriptors(-1, -1, readOnly);
        int access = readOnly ? Libc.O_RDONLY : Libc.O_RDWR;
        int sums = Libc.Open(paths.Sums(id, grant.Tag), access | Libc.O_CLOEXEC);
        // A disk that went read-only still has what it has.
        if (sums < 0) return Libc.LastError == Libc.EROFS && !readOnly ? Open(paths, grant, id, readOnly: true, out files) : Libc.LastError;
        int data = Libc.Open(paths.Data(id), access | Libc.O_CLOEXEC);
        if (data < 0)
        {
            int errno = Libc.LastError;
            Libc.Close(sums);
            return errno;
        }
        files = new BlockDescriptors(data, sums, readOnly);
        return 0;
    }
}

/// <summary>Used and capacity in bytes; the other two count.</summary>
internal readonly record struct StoreSpace(long Used, long Capacity, long BlockFiles, long Evictions);

/// <summary>
/// Decides which block files exist: by itself (<see cref="OwnedDirectory"/>) or by asking the process that owns the store
/// (<see cref="RemoteDirectory"/>). What is in the files is not its business. Safe for concurrent use.
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

    /// <summary>Makes room for one step (<see cref="BlockSpec.StepLength"/>) of a large file that is open; true if it has room already.</summary>
    ValueTask<bool> AdmitStepAsync(Registration registration, BlockGrant grant, int step, CancellationToken cancellation);

    /// <summary>Opens the two files of a granted block. Returns 0, or an errno.</summary>
    int OpenFiles(BlockGrant grant, BlockFileId id, out BlockDescriptors files);

    void Close(BlockGrant grant, BlockFileId id);

    /// <summary>Bytes that were written into an admitted block file, so that the disk's free space is judged rightly.</summary>
    void Wrote(BlockGrant grant, long bytes);

    /// <summary>Keeps a block file from eviction while the kernel reads it itself.</summary>
    void Pin(BlockGrant grant, bool pinned);

    /// <summary>Removes a block file that turned out unusable.</summary>
    void Discard(BlockGrant grant, BlockFileId id);

    StoreSpace Space { get; }
}
