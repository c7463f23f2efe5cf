using DataLayer.Cache;
using DataLayer.CacheWorker.Datasets;
using DataLayer.Formats;

namespace DataLayer.CacheWorker.Serving;

/// <summary>Lends the blocks of the snapshots a caller may read.</summary>
sealed class Lending(WorkerState worker, Caller caller) : ILender
{
    public (Registration Registration, BlockSpec Spec)? Find(SnapshotId snapshot, BlockFileId block)
    {
        foreach (ServedDataset dataset in worker.Datasets)
        {
            if (!caller.MayRead(dataset.Name) || dataset.TryAcquire(snapshot) is not { } served) continue;
            try
            {
                return served.SpecOf(block) is { } spec ? (served.Homes.Registration, spec) : null;
            }
            finally
            {
                served.Release();
            }
        }
        return null;
    }
}
