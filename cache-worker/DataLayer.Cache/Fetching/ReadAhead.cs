using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Fetches what a sequential reader of a large file will want next. Keeps no state for a stream: how many units before the
/// missing one are here or on their way is how long somebody has been reading forward, and the window is twice that. A
/// random read has none before it and fetches its own units only.
/// </summary>
internal sealed class ReadAhead(BlockStore store, FetchQueue queue)
{
    // 4 MiB a request: at 1 GB/s its 4 ms on the wire against 15 ms of waiting want four or five more in flight, and the
    // cost of a request (0.1 ms of CPU) is spread over four times the bytes.
    public const int UnitsPerFetch = 4;

    // 32 MiB in flight or ahead of the reader: twice what 1 GB/s needs at 15 ms, and within FetchMemory.
    const int MaxWindow = 32;

    // Without the store the window has to stay in memory until it is read: half of what the table keeps.
    const int MaxUncachedWindow = 16;

    /// <summary>Called for a read that the store could not answer.</summary>
    /// <param name="block">Null when not admitted.</param>
    public void Missed(in FileLocation file, BlockFile? block, long offset, int length)
    {
        int first = (int)(offset / FileLocation.LargeUnit), last = (int)((offset + length - 1) / FileLocation.LargeUnit);
        if (last > first) Start(file, block, first, last + 1, demanded: true);
        int run = last - first;
        for (int unit = first - 1; unit >= 0 && run < MaxWindow && IsHere(file, block, unit); unit--) run++;
        if (run > 0) Extend(file, block, last + 1, 2 * run);
    }

    internal void Extend(in FileLocation file, BlockFile? block, int from, int window)
    {
        window = Math.Min(window, block == null ? MaxUncachedWindow : MaxWindow);
        int end = from + window;
        // In whole fetches once the window is wide: the reader moves on by less than one, and would leave slivers to fetch.
        if (window >= 2 * UnitsPerFetch) end -= end % UnitsPerFetch;
        Start(file, block, from, Math.Min(end, BlockSpec.UnitsOf(file.Length)), demanded: false);
        // The next piece is asked for as soon as one fetch's worth of these has been read.
        if (block != null) block.ReadAhead = new ReadAheadTrigger(this, file, block, Math.Min(from + UnitsPerFetch, from + window / 2), window);
    }

    void Start(in FileLocation file, BlockFile? block, int from, int end, bool demanded)
    {
        for (int unit = from; unit < end;)
        {
            int count = 0;
            while (unit + count < end && count < UnitsPerFetch && !IsHere(file, block, unit + count)) count++;
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
        if (store.Table.Contains(new UnitKey(file.BlockFile, unit))) return true;
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

    void IThreadPoolWorkItem.Execute() => owner.Extend(file, block, unit, window * 2);
}
