using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Counters of one mount; all only grow. Bytes unless the name says otherwise.</summary>
/// <param name="Hits">Reads answered by the store alone.</param>
/// <param name="Misses">Reads that needed bytes which the store did not have.</param>
/// <param name="SourceReads">Reads of a source that succeeded.</param>
/// <param name="SourceErrors">Reads of a source that did not.</param>
/// <param name="PeerReads">Reads of another worker that succeeded.</param>
/// <param name="Stale">Of those: because the source's object is not the snapshot's any more.</param>
public readonly record struct ReadCounters(
    long Hits, long Misses, long BytesFromCache, long BytesFromSource, long SourceReads, long SourceErrors, long Stale, long PeerReads, long BytesFromPeers);

internal sealed class ReadStatistics
{
    long _hits, _misses, _bytesFromCache, _bytesFromSource, _sourceReads, _sourceErrors, _stale, _peerReads, _bytesFromPeers;

    public void CountHit(int bytes)
    {
        Interlocked.Increment(ref _hits);
        Interlocked.Add(ref _bytesFromCache, bytes);
    }

    public void CountMiss() => Interlocked.Increment(ref _misses);

    public void CountFromCache(int bytes) => Interlocked.Add(ref _bytesFromCache, bytes);

    public void CountFetched(int bytes, OriginKind from)
    {
        if (from == OriginKind.Peer)
        {
            Interlocked.Increment(ref _peerReads);
            Interlocked.Add(ref _bytesFromPeers, bytes);
            return;
        }
        Interlocked.Increment(ref _sourceReads);
        Interlocked.Add(ref _bytesFromSource, bytes);
    }

    public void CountFault(Exception e)
    {
        Interlocked.Increment(ref _sourceErrors);
        if (e is SourceException { Fault: SourceFault.Changed }) Interlocked.Increment(ref _stale);
    }

    public ReadCounters Read() => new(
        Interlocked.Read(ref _hits), Interlocked.Read(ref _misses), Interlocked.Read(ref _bytesFromCache),
        Interlocked.Read(ref _bytesFromSource), Interlocked.Read(ref _sourceReads), Interlocked.Read(ref _sourceErrors),
        Interlocked.Read(ref _stale), Interlocked.Read(ref _peerReads), Interlocked.Read(ref _bytesFromPeers));
}
