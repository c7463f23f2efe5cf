namespace DataLayer.Cache;

/// <summary>
/// Packs that a reader who goes through the data set in order will come to next: fetched, or read into memory, before it
/// does. Readers in random order never set it off.
/// </summary>
internal sealed class PackAhead(BlockStore store, IBlockLayout layout, FetchQueue queue, Registration registration) : IThreadPoolWorkItem
{
    // Two packs of 8 MiB are what 1 GB/s brings in 16 ms, the time a source takes to answer, and keep a window of a hundred
    // reads full while the reader is still in the pack before.
    const int Packs = 2;

    int _after = -1;

    /// <summary>A reader is going through this pack in order.</summary>
    public void Passing(int pack)
    {
        if (pack + 1 < layout.PackCount && Interlocked.Exchange(ref _after, pack) < 0) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute() => _ = FetchAsync(Interlocked.Exchange(ref _after, -1));

    async Task FetchAsync(int after)
    {
        bool cold = store.Find(layout.GetPack(after).Id)?.WasCold ?? false;
        for (int pack = after + 1; pack <= after + Packs && pack < layout.PackCount; pack++)
        {
            BlockFile? block = await store.OpenBlockAsync(registration, layout.GetPack(pack), admit: true, CancellationToken.None);
            if (block == null || !block.TryEnter()) return;
            try
            {
                if (!block.IsComplete(recount: false)) queue.Fill(block, pack, store);
                else if (cold) store.PageCache.Cold(block);
            }
            finally
            {
                block.Leave();
            }
        }
    }
}
