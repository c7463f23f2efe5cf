using System.Diagnostics.CodeAnalysis;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Reads the files of one snapshot: the one place that decides the order own store → origin → again → fault.
/// Safe for concurrent use.
/// </summary>
public sealed class DatasetReader : IAsyncDisposable
{
    readonly BlockStore _store;
    readonly IBlockLayout _layout;
    readonly DatasetOptions _options;
    readonly CopyKeeper? _copies;
    readonly Registration _registration;
    readonly ReadStatistics _statistics = new();
    readonly FetchQueue _queue;
    readonly ReadAhead _ahead;
    readonly PackAhead _packsAhead;
    static int _numbers;
    volatile bool _disposed;

    public DatasetReader(BlockStore store, Manifest manifest, IReadOnlyList<ISource> sources, DatasetOptions options)
        : this(store, new ManifestLayout(manifest), sources, options) { }

    internal DatasetReader(BlockStore store, IBlockLayout layout, IReadOnlyList<ISource> sources, DatasetOptions options)
        : this(store, layout, new SourceOrigin(layout, sources), options, FetchLane.Home, copies: null) { }

    /// <param name="copies">Decides what of the origin's bytes is kept; null keeps everything there is room for.</param>
    internal DatasetReader(BlockStore store, IBlockLayout layout, IBlockOrigin origin, DatasetOptions options, FetchLane lane, CopyKeeper? copies)
    {
        options.Validate();
        _store = store;
        _layout = layout;
        _options = options;
        _copies = copies;
        _queue = new FetchQueue(store.Table, store.Buffers, store.Writer, layout, origin, lane, _statistics, options.ReadDeadline);
        _registration = new Registration(Interlocked.Increment(ref _numbers), options.Name, options.Weight, (ids, _) => new(Task.Run(() => ids.Select(layout.Contains).ToArray())))
        {
            Snapshot = options.Snapshot,
            IdleAfter = options.IdleAfter,
            Reads = () => _statistics.Read() is var counters ? counters.Hits + counters.Misses : 0,
        };
        _ahead = new ReadAhead(store, _queue, _registration);
        _packsAhead = new PackAhead(store, layout, _queue, _registration);
        store.Register(_registration);
    }

    public ReadCounters Counters => _statistics.Read();

    internal FetchQueue Queue => _queue;

    internal Registration Registration => _registration;

    /// <summary>
    /// Copies up to destination.Length bytes of the file at <paramref name="offset"/> if the store has them in memory and their
    /// checksum holds. Never waits for the disk, a source or another reader; allocates nothing.
    /// </summary>
    /// <returns>Bytes copied (short only at end of file), or -1 when <see cref="ReadAsync"/> is needed.</returns>
    public int TryRead(in FileLocation file, long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        int length = (int)Math.Clamp(file.Length - offset, 0, destination.Length);
        if (length == 0) return 0;
        BlockFile? block = _store.Find(file.BlockFile);
        if (block == null || !block.TryEnter()) return -1;
        try
        {
            for (int done = 0; done < length;)
            {
                (Unit unit, int within, int count) = Piece(file, offset + done, length - done);
                if (block.Read(unit, within, destination.Slice(done, count), mayBlock: false, ref _store.BadChecksums) != BlockRead.Copied) return -1;
                done += count;
            }
            block.Touched = true;
            if (block.ReadAhead is { } trigger) trigger.Passed(offset + length);
            if (file.IsPacked && _copies == null && block.NoteRead(file.Unit)) _packsAhead.Passing(file.Pack);
        }
        finally
        {
            block.Leave();
        }
        _statistics.CountHit(length);
        return length;
    }

    /// <summary>The same, fetching what is missing; what someone waits for goes before background filling.</summary>
    /// <exception cref="SourceException">After the deadline at the latest.</exception>
    public ValueTask<int> ReadAsync(FileLocation file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int read = TryRead(file, offset, destination.Span);
        return read >= 0 ? new(read) : ReadMissingAsync(file, offset, destination, cancellation);
    }

    /// <summary>The same, for what <see cref="TryRead"/> has just been tried for.</summary>
    public async ValueTask<int> ReadMissingAsync(FileLocation file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int length = (int)Math.Min(file.Length - offset, destination.Length);
        Patience patience = new(_options.ReadDeadline);
        bool fetched = false, keep = _copies?.Keep(KeyOf(file, Unit.At(file, offset))) ?? true;
        BlockFile? block = await _store.OpenBlockAsync(_registration, SpecOf(file), keep, cancellation);
        if (file.IsPacked && _copies == null && block != null && block.NoteRead(file.Unit)) _packsAhead.Passing(file.Pack);
        if (!file.IsPacked) await _ahead.MissedAsync(file, block, offset, length, cancellation);
        for (int done = 0; done < length;)
        {
            (Unit unit, int within, int count) = Piece(file, offset + done, length - done);
            fetched |= await ReadPieceAsync(file, unit, within, destination.Slice(done, count), keep, patience, cancellation);
            done += count;
        }
        if (fetched) _statistics.CountMiss();
        else _statistics.CountHit(0);
        return length;
    }

    /// <summary>Reads within one unit. True when a source had to be read for it, by this reader or another.</summary>
    async ValueTask<bool> ReadPieceAsync(FileLocation file, Unit unit, int within, Memory<byte> destination, bool keep, Patience patience, CancellationToken cancellation)
    {
        for (; ; )
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            BlockFile? block = await _store.OpenBlockAsync(_registration, SpecOf(file), keep, cancellation);
            if (block != null && await ReadBlockAsync(block, unit, within, destination)) return false;

            if (block != null && !await _store.AdmitAsync(_registration, block, unit.Index, cancellation)) block = null;
            Fetch fetch = JoinOrStart(file, block, unit, out bool started);
            if (started && file.IsPacked && block != null) _queue.Fill(block, file.Pack, _store);
            try
            {
                switch (await fetch.Completion.WaitAsync(patience.Remaining, cancellation))
                {
                    case FetchOutcome.InMemory:
                        fetch.BytesOf(unit).Slice(within, destination.Length).CopyTo(destination.Span);
                        if (block != null && fetch.Block == null && fetch.TryAddReference()) _store.Writer.Adopt(fetch, block);
                        return true;
                    case FetchOutcome.Failed when !fetch.Fault!.IsTransient:
                        throw new SourceException(fetch.Fault.Fault, fetch.Fault.Message, fetch.Fault);
                    case FetchOutcome.Failed:
                        await patience.BackOffAsync(fetch.Fault!, cancellation);
                        break;
                    case FetchOutcome.Cancelled:
                        await patience.BackOffAsync(null, cancellation);
                        break;
                }
            }
            catch (TimeoutException)
            {
                throw patience.Exhausted(fetch.Fault);
            }
            finally
            {
                fetch.Release();
            }
        }
    }

    /// <summary>A whole unit from the store, and its checksum; null when it has to be fetched.</summary>
    /// <param name="destination">Exactly the unit's length.</param>
    internal async ValueTask<uint?> ReadStoredUnitAsync(FileLocation file, Unit unit, Memory<byte> destination)
    {
        BlockFile? block = _store.Find(file.BlockFile);
        if (block == null) return null;
        BlockRead read = ReadWhole(block, unit, destination.Span, mayBlock: false, out uint crc);
        if (read == BlockRead.OnDisk)
        {
            (read, crc) = await _store.Disk.RunAsync(() => (ReadWhole(block, unit, destination.Span, mayBlock: true, out uint stored), stored));
            if (read == BlockRead.Copied) _store.PageCache.Cold(block);
        }
        if (read != BlockRead.Copied) return null;
        _statistics.CountHit(unit.Length);
        return crc;
    }

    BlockRead ReadWhole(BlockFile block, in Unit unit, Span<byte> destination, bool mayBlock, out uint crc)
    {
        crc = 0;
        if (!block.TryEnter()) return BlockRead.Absent;
        try
        {
            block.Touched = true;
            return block.ReadWhole(unit, destination, mayBlock, out crc, ref _store.BadChecksums);
        }
        finally
        {
            block.Leave();
        }
    }

    /// <summary>Opens the block file if the store has it, so that <see cref="ReadStoredUnitAsync"/> can be tried.</summary>
    internal async ValueTask<bool> OpenAsync(FileLocation file, CancellationToken cancellation) =>
        await _store.OpenBlockAsync(_registration, SpecOf(file), admit: false, cancellation) != null;

    /// <summary>Whether the store says that it has this unit; its checksum is not looked at.</summary>
    internal bool IsPresent(in FileLocation file, in Unit unit)
    {
        BlockFile? block = _store.Find(file.BlockFile);
        if (block == null || !block.TryEnter()) return false;
        bool present = block.IsPresent(unit);
        block.Leave();
        return present;
    }

    /// <summary>False when the store does not have the bytes.</summary>
    async ValueTask<bool> ReadBlockAsync(BlockFile block, Unit unit, int within, Memory<byte> destination)
    {
        if (!block.TryEnter()) return false;
        bool present = block.IsPresent(unit);
        block.Leave();
        if (!present) return false;
        bool read = await _store.Disk.RunAsync(() => ReadBlock(block, unit, within, destination));
        if (read) _store.PageCache.Cold(block);
        return read;
    }

    bool ReadBlock(BlockFile block, in Unit unit, int within, Memory<byte> destination)
    {
        if (!block.TryEnter()) return false;
        try
        {
            if (block.Read(unit, within, destination.Span, mayBlock: true, ref _store.BadChecksums) != BlockRead.Copied) return false;
            block.Touched = true;
            _statistics.CountFromCache(destination.Length);
            return true;
        }
        finally
        {
            block.Leave();
        }
    }

    Fetch JoinOrStart(in FileLocation file, BlockFile? block, in Unit unit, out bool started)
    {
        for (; ; )
        {
            Fetch? running = _store.Table.TryJoin(KeyOf(file, unit));
            if (running != null)
            {
                if (!running.IsStarted) running.Queue.Demand(running);
                running.IsDemanded = true;
                started = false;
                return running;
            }
            Fetch fetch = new(_queue, file, block, unit, 1, demanded: true);
            fetch.TryAddReference();
            if (!_store.Table.TryAdd(fetch)) continue;
            _queue.Demand(fetch);
            started = true;
            return fetch;
        }
    }

    UnitKey KeyOf(in FileLocation file, in Unit unit) => new(file.BlockFile, unit.Index, _queue.Lane);

    BlockSpec SpecOf(in FileLocation file) => file.IsPacked ? _layout.GetPack(file.Pack) : BlockSpec.Large(file);

    /// <summary>The part of a read that lies in one unit.</summary>
    static (Unit Unit, int Within, int Count) Piece(in FileLocation file, long offset, int length)
    {
        Unit unit = Unit.At(file, offset);
        int within = file.IsPacked ? (int)offset : (int)(offset - unit.Start);
        return (unit, within, Math.Min(length, unit.Length - within));
    }

    /// <summary>Bytes of this file present in the store; as of its last look where another process owns the store and is slow to answer.</summary>
    public long CachedBytes(in FileLocation file)
    {
        if (file.Length == 0) return 0;
        BlockFile? block = _store.Find(file.BlockFile);
        if (block == null)
        {
            // A question to the owner process at most, which answers from memory.
            Task<BlockFile?> opening = _store.OpenBlockAsync(_registration, SpecOf(file), admit: false, CancellationToken.None).AsTask();
            if (!opening.Wait(TimeSpan.FromSeconds(1))) return 0;
            block = opening.Result;
        }
        if (block == null || !block.TryEnter()) return 0;
        try
        {
            if (file.IsPacked) return block.IsPresent(Unit.At(file, 0)) ? file.Length : 0;
            long bytes = 0;
            for (int i = 0; i < block.Spec.Units; i++)
            {
                Unit unit = Unit.OfLarge(file.Length, i);
                if (block.IsPresent(unit)) bytes += unit.Length;
            }
            return bytes;
        }
        finally
        {
            block.Leave();
        }
    }

    /// <summary>Brings whole files into the store. Reports bytes done; does not evict other data of this dataset to do so.</summary>
    /// <returns>Bytes of these files in the store at the end: less than they have when the cache is full.</returns>
    /// <exception cref="SourceException">The first fault, after all other files were tried; a source that stays unreachable ends it early.</exception>
    public Task<long> WarmAsync(IReadOnlyList<EntryIndex> files, IProgress<long>? progress, CancellationToken cancellation) =>
        new Warming(_store, _layout, _queue, _registration, _options.ReadDeadline).RunAsync(files, progress, cancellation);

    /// <inheritdoc cref="WarmAsync(IReadOnlyList{EntryIndex}, IProgress{long}?, CancellationToken)"/>
    /// <param name="wanted">Leaves units out.</param>
    internal Task<long> WarmAsync(IReadOnlyList<EntryIndex> files, Func<FileLocation, Unit, bool> wanted, IProgress<long>? progress, CancellationToken cancellation) =>
        new Warming(_store, _layout, _queue, _registration, _options.ReadDeadline, wanted).RunAsync(files, progress, cancellation);

    /// <summary>
    /// The local file of a large file whose every byte is in the store and was checked, or written, by this process; see
    /// <see cref="VerifyAsync"/> for one that an earlier process wrote. Costs microseconds.
    /// </summary>
    public bool TryOpenComplete(in FileLocation file, [NotNullWhen(true)] out CompleteFile? complete)
    {
        complete = null;
        if (file.IsPacked || _store.Find(file.BlockFile) is not { } block || !block.TryEnter()) return false;
        if (block.IsCompleteAndVerified()) complete = new CompleteFile(block);
        else block.Leave();
        return complete != null;
    }

    /// <summary>Checks every present unit of a large file that this process has not checked yet. True when all of it is present and right.</summary>
    public async Task<bool> VerifyAsync(FileLocation file, CancellationToken cancellation)
    {
        if (file.IsPacked || file.Length == 0) return false;
        BlockFile? block = await _store.OpenBlockAsync(_registration, SpecOf(file), admit: false, cancellation);
        if (block == null || !block.TryEnter()) return false;
        try
        {
            return await Task.Run(() =>
            {
                bool all = true;
                for (int i = 0; i < block.Spec.Units; i++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    all &= block.TryVerify(Unit.OfLarge(file.Length, i), ref _store.BadChecksums);
                }
                return all;
            }, cancellation);
        }
        finally
        {
            block.Leave();
        }
    }

    /// <summary>Waits for what is being read from sources, at most 30 s.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        await _queue.DisposeAsync();
        _store.Unregister(_registration);
    }
}
