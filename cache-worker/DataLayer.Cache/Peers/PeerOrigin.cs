using System.Buffers;
using System.Diagnostics;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Whom to ask for a block, best first; changes with the membership.</summary>
internal interface IPeerOrder
{
    /// <param name="block">The block that places the units.</param>
    /// <param name="peers">Filled from the start.</param>
    /// <returns>How many were filled in; those that are not worth asking now are left out.</returns>
    int GetPeers(in BlockId block, Span<PeerHealth?> peers);
}

/// <summary>
/// Bytes from other workers: the one place that decides the order peer → next peer → last resort, and when to ask a second
/// one because the first is slow. Safe for concurrent use.
/// </summary>
/// <param name="lastResort">The worker's own reading of the sources; null in a mount, which has none.</param>
internal sealed class PeerOrigin(SnapshotId snapshot, long sliceSize, IPeerOrder order, IBlockOrigin? lastResort, PeerTiming timing, HedgeBudget budget) : IBlockOrigin
{
    // The home, the one that stands in when it is gone, and one more for a rolling restart.
    const int MaxPeers = 3;

    [System.Runtime.CompilerServices.InlineArray(MaxPeers)]
    struct Candidates
    {
        PeerHealth? _first;
    }

    public async ValueTask<OriginKind> ReadAsync(UnitRange units, Memory<byte> destination, CancellationToken cancellation)
    {
        Candidates candidates = default;
        int count = order.GetPeers(units.Block(sliceSize), candidates);
        SourceException? said = null;
        PeerException? failed = null;
        for (int i = 0; i < count; i++)
        {
            PeerHealth health = candidates[i]!;
            try
            {
                return await ReadHedgedAsync(health, i + 1 < count ? candidates[i + 1] : null, units, destination, cancellation);
            }
            catch (PeerException fault)
            {
                health.Failed(fault);
                failed = fault;
            }
            catch (SourceException fault)
            {
                // One that cannot tell for now (it may come back) outweighs one that says the object is gone.
                if (said is not { IsTransient: true }) said = fault;
            }
        }
        if (lastResort != null) return await lastResort.ReadAsync(units, destination, cancellation);
        throw said ?? new SourceException(SourceFault.Unavailable, failed?.Message ?? "no worker can be reached", failed);
    }

    async ValueTask<OriginKind> ReadHedgedAsync(PeerHealth first, PeerHealth? second, UnitRange units, Memory<byte> destination, CancellationToken cancellation)
    {
        budget.Sent();
        long started = Stopwatch.GetTimestamp();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task primary = first.Peer.ReadAsync(snapshot, units, destination, cachedOnly: false, stop.Token).AsTask();
        if ((second != null || lastResort != null)
            && !await EndsWithinAsync(primary, HedgeDelay(first, second, units.Length))
            && budget.TryTake()
            && await HedgeAsync(primary, stop, second, started, units, destination, cancellation) is { } kind)
        {
            first.Answered(units.Length, Stopwatch.GetElapsedTime(started)); // What it took and more.
            return kind;
        }
        await primary;
        first.Answered(units.Length, Stopwatch.GetElapsedTime(started));
        return OriginKind.Peer;
    }

    static async ValueTask<bool> EndsWithinAsync(Task task, TimeSpan limit)
    {
        if (task.IsCompleted) return true;
        // Not Task.Delay: its timer would outlive the many reads that end before it.
        try { await task.WaitAsync(limit); }
        catch (TimeoutException) { return task.IsCompleted; }
        catch (Exception) when (task.IsCompleted) { return true; } // Whoever awaits it next hears of the fault.
        return true;
    }

    TimeSpan HedgeDelay(PeerHealth first, PeerHealth? second, int length)
    {
        // A peer that is always slow is measured against the other.
        double? own = first.Percentile95(length), other = second?.Percentile95(length);
        if (own == null && other == null) return timing.Bypass;
        TimeSpan delay = TimeSpan.FromMilliseconds(Math.Min(own ?? double.MaxValue, 2 * other ?? double.MaxValue));
        return delay > timing.ShortestHedge ? delay : timing.ShortestHedge;
    }

    /// <summary>Asks somebody else beside <paramref name="primary"/>, and stops that one if they are faster; null if they are not.</summary>
    async ValueTask<OriginKind?> HedgeAsync(
        Task primary, CancellationTokenSource stopPrimary, PeerHealth? second, long started, UnitRange units, Memory<byte> destination, CancellationToken cancellation)
    {
        byte[] bytes = ArrayPool<byte>.Shared.Rent(units.Length);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task<OriginKind?> hedge = AskElsewhereAsync(second, started, units, bytes.AsMemory(0, units.Length), stop.Token);
        try
        {
            if (await Task.WhenAny(primary, hedge) != hedge || await hedge is not { } kind || primary.IsCompletedSuccessfully) return null;
            // The primary writes to the destination until it has ended.
            await stopPrimary.CancelAsync();
            await primary.ContinueWith(static task => task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            bytes.AsSpan(0, units.Length).CopyTo(destination.Span);
            return kind;
        }
        finally
        {
            await stop.CancelAsync();
            await hedge.ContinueWith(static task => task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    async Task<OriginKind?> AskElsewhereAsync(PeerHealth? second, long started, UnitRange units, Memory<byte> destination, CancellationToken cancellation)
    {
        try
        {
            // First what costs the source nothing.
            if (second != null)
            {
                try
                {
                    await second.Peer.ReadAsync(snapshot, units, destination, cachedOnly: true, cancellation);
                    return OriginKind.Peer;
                }
                catch (PeerException fault)
                {
                    second.Failed(fault);
                }
            }
            TimeSpan wait = timing.Bypass - Stopwatch.GetElapsedTime(started);
            if (wait > TimeSpan.Zero) await Task.Delay(wait, cancellation);
            if (lastResort != null) return await lastResort.ReadAsync(units, destination, cancellation);
            if (second is not { IsUsable: true }) return null;
            await second.Peer.ReadAsync(snapshot, units, destination, cachedOnly: false, cancellation);
            return OriginKind.Peer;
        }
        catch (Exception e) when (e is SourceException or PeerException or OperationCanceledException)
        {
            return null; // The primary decides.
        }
    }
}
