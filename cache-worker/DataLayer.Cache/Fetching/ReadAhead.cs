using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Fetches what a sequential reader of a large file will want next. Keeps no state for a stream: how many units before the
/// missing one are here or on their way is how long somebody has been reading forward, and the window is twice that. A
/// random read has none before it and fetches its own units only.
/// </summary>
internal sealed class ReadAhead(BlockStore store, FetchQueue queue, Registration registration)
{
    // 4 MiB a request: at 1 GB/s its 4 ms on the wire against 15 ms of waiting want four or five more in flight, and the
    // cost of a request (0.1 ms of CPU) is spread over four times the bytes.
    const int UnitsPerFetch = 4;

    /// <summary>Units to fetch together from this one on: to the next multiple, which steps of admission are multiples of.</summary>
    public static int CountFrom(int unit, int end) => Math.Min(UnitsPerFetch - unit % UnitsPerFetch, end - unit);

    // 32 MiB in flight or ahead of the reader: twice what 1 GB/s needs at 15 ms, and within FetchMemory.
    const int MaxWindow = 32;

    // Without the store the window has to stay in memory until it is read: half of what the table keeps.
    const int MaxUncachedWindow = 16;

    /// <summary>Called for a read that the store could not answer.</summary>
    /// <param name="block">Null when not admitted.</param>
    public async ValueTask MissedAsync(FileLocation file, BlockFile? block, long offset, int length, CancellationToken cancellation)
    {
        int first = (int)(offset / FileLocation.LargeUnit), last = (int)((offset + length - 1) / FileLocation.LargeUnit);
        if (last > first)
        {
            int admitted = block == null ? first : await AdmittedEndAsync(block, first, last + 1, cancellation);
            Start(file, block, first, admitted, demanded: true);
            Start(file, null, admitted, last + 1, demanded: true);
        }
        int run = last - first;
        for (int unit = first - 1; unit >= 0 && run < MaxWindow && IsHere(file, block, unit); unit--) run++;
        if (run > 0) await ExtendAsync(file, block, last + 1, 2 * run, cancellation);
    }

    /// <summary>Where, from <paramref name="from"/> on, the units begin that there is no room for.</summary>
    async ValueTask<int> AdmittedEndAsync(BlockFile block, int from, int end, CancellationToken cancellation)
    {
        for (int unit = from; unit < end; unit += BlockSpec.UnitsPerStep - unit % BlockSpec.UnitsPerStep)
            if (!await store.AdmitAsync(registration, block, unit, cancellation)) return unit;
        return end;
    }

    internal async Task ExtendAsync(FileLocation file, BlockFile? block, int from, int window, CancellationToken cancellation)
    {
        int units = BlockSpec.UnitsOf(file.Length), end = Math.Min(from + Math.Min(window, MaxWindow), units);
        int admitted = block == null ? from : await AdmittedEndAsync(block, from, end, cancellation);
        if (admitted == from)
        {
            block = null;
            end = Math.Min(end, from + MaxUncachedWindow);
        }
        else end = admitted;
        // In whole fetches once the window is wide: the reader moves on by less than one, and would leave slivers to fetch.
        if (end - from >= 2 * UnitsPerFetch && end < units) end -= end % UnitsPerFetch;
        Start(file, block, from, end, demanded: false);
        // The next piece is asked for as soon as one fetch's worth of these has been read.
        if (block != null) block.ReadAhead = new ReadAheadTrigger(this, file, block, Math.Min(from + UnitsPerFetch, from + window / 2), window);
    }

    void Start(in FileLocation file, BlockFile? block, int from, int end, bool demanded)
    {
        for (int unit = from; unit < end;)
        {
            int count = 0, most = CountFrom(unit, end);
            while (count < most && !IsHere(file, block, unit + count)) count++;
            if (count == 0)
            {
                unit++;
                continue;
            }
            Fetch fetch = new(queue, file, block, Unit.OfLarge(file.Length, unit), count, demanded);
            unit += count;
            if (!store.Table.TryAdd(fetch)) continue;
            if (demanded) queue.Demand(fetch);
            else queue.ReadAhead(fetch);
        }
    }

    bool IsHere(in FileLocation file, BlockFile? block, int unit)
    {
        if (store.Table.Contains(new UnitKey(file.BlockFile, unit, queue.Lane))) return true;
        if (block == null || !block.TryEnter()) return false;
        bool present = block.IsPresent(Unit.OfLarge(file.Length, unit));
        block.Leave();
        return present;
    }
}

/// <summary>Armed behind a reader: continues the read-ahead once, when hits reach its position.</summary>
internal sealed class ReadAheadTrigger(ReadAhead owner, FileLocation file, BlockFile block, int unit, int window) : IThreadPoolWorkItem
{
    int _fired;

    /// <param name="position">Byte offset in the file that a read has reached.</param>
    public void Passed(long position)
    {
        if (position < (long)unit * FileLocation.LargeUnit || Volatile.Read(ref _fired) != 0) return;
        if (Interlocked.Exchange(ref _fired, 1) != 0) return;
        block.ReadAhead = null;
        // A reader elsewhere in the file is another stream: it shows by its own misses.
        if (position > (long)(unit + window) * FileLocation.LargeUnit) return;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute() => _ = owner.ExtendAsync(file, block, unit, window * 2, CancellationToken.None);
}
