using System.Collections.Concurrent;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Brings whole files into the store in the background of demanded reads. Files whose block is not admitted are left out:
/// fetching them would only pass their bytes by.
/// </summary>
/// <param name="wanted">Leaves units out; null for none.</param>
internal sealed class Warming(BlockStore store, IBlockLayout layout, FetchQueue queue, Registration registration, TimeSpan deadline, Func<FileLocation, Unit, bool>? wanted = null)
{
    // As many as the window can ever use; each waits for one fetch at a time.
    const int Workers = ConcurrencyWindow.Max;

    readonly ConcurrentQueue<SourceException> _faults = new();
    long _done;

    /// <returns>Bytes present at the end; less than asked for when the cache is full.</returns>
    public async Task<long> RunAsync(IReadOnlyList<EntryIndex> files, IProgress<long>? progress, CancellationToken cancellation)
    {
        int next = -1;
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAll(Enumerable.Range(0, Math.Min(Workers, files.Count)).Select(_ => Task.Run(WorkAsync, stop.Token)));
        cancellation.ThrowIfCancellationRequested();
        await store.Writer.FlushAsync(cancellation);
        if (_faults.TryPeek(out SourceException? fault)) throw new SourceException(fault.Fault, fault.Message, fault);
        return _done;

        async Task WorkAsync()
        {
            for (int i; (i = Interlocked.Increment(ref next)) < files.Count && !stop.IsCancellationRequested;)
            {
                try
                {
                    long bytes = await WarmAsync(layout.Locate(files[i]), stop.Token);
                    if (bytes > 0) progress?.Report(Interlocked.Add(ref _done, bytes));
                }
                catch (SourceException e)
                {
                    _faults.Enqueue(e);
                    // One object that changed says nothing of the others; a source that refuses everything does.
                    if (e.Fault != SourceFault.Changed) await stop.CancelAsync();
                }
                catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellation.IsCancellationRequested)
                {
                    return;
                }
            }
        }
    }

    async ValueTask<long> WarmAsync(FileLocation file, CancellationToken cancellation)
    {
        long bytes = 0;
        for (long at = 0; at < file.Length;)
        {
            Unit unit = Unit.At(file, at);
            at += unit.Length;
            if (wanted != null && !wanted(file, unit)) continue;
            if (!await WarmUnitAsync(file, unit, cancellation)) break;
            bytes += unit.Length;
        }
        return bytes;
    }

    /// <summary>False when the block is not admitted.</summary>
    async ValueTask<bool> WarmUnitAsync(FileLocation file, Unit unit, CancellationToken cancellation)
    {
        Patience patience = new(deadline);
        for (; ; )
        {
            BlockSpec spec = file.IsPacked ? layout.GetPack(file.Pack) : BlockSpec.Large(file);
            BlockFile? block = await store.OpenBlockAsync(registration, spec, admit: true, cancellation);
            if (block == null || store.IsSuspended || !block.TryEnter()) return false;
            bool present = block.TryVerify(unit, ref store.BadChecksums);
            block.Leave();
            if (present) return true;
            if (!await store.AdmitAsync(registration, block, unit.Index, cancellation)) return false;

            Fetch? fetch = store.Table.TryJoin(new UnitKey(file.BlockFile, unit.Index, queue.Lane));
            if (fetch == null)
            {
                int count = file.IsPacked ? 1 : ReadAhead.CountFrom(unit.Index, spec.Units);
                fetch = new Fetch(queue, file, block, unit, count, demanded: false);
                fetch.TryAddReference();
                if (!store.Table.TryAdd(fetch)) continue;
                queue.ReadAhead(fetch);
            }
            try
            {
                switch (await fetch.Completion.WaitAsync(patience.Remaining, cancellation))
                {
                    case FetchOutcome.InMemory:
                        return true;
                    case FetchOutcome.Failed when !fetch.Fault!.IsTransient:
                        throw new SourceException(fetch.Fault.Fault, fetch.Fault.Message, fetch.Fault);
                    case FetchOutcome.Failed or FetchOutcome.Cancelled:
                        await patience.BackOffAsync(fetch.Fault, cancellation);
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
}
