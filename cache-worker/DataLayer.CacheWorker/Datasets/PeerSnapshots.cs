using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using DataLayer.Cache;
using DataLayer.Formats;

namespace DataLayer.CacheWorker.Datasets;

/// <summary>
/// Snapshots over the peers' API. Each dataset has one worker that lists it, its home by name; the others take its snapshot,
/// so that a hundred workers list a bucket once.
/// </summary>
sealed class PeerSnapshots(PeerTable peers, string self, PeerTiming timing) : ISnapshotPeers
{
    // Workers of a node group start within seconds of each other: listing twice costs more than waiting for them.
    static readonly TimeSpan StartGrace = TimeSpan.FromSeconds(10);

    // The lister, the one that stands in, and one more.
    const int MaxListers = 3;

    public async Task<SnapshotId?> FindCurrentAsync(string dataset, long generation, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        foreach (WorkerNode lister in Listers(dataset))
        {
            if (lister.Name == self) return null;
            for (; ; )
            {
                (DatasetMessage? found, bool reached) = await AskAsync(lister, dataset, cancellation);
                if (found?.Generation > generation) break; // This one's registration is the older: it lists what it knows.
                if (found?.Generation == generation && Digest.TryParse(found.Snapshot, out Digest id)) return new SnapshotId(id);
                if (found?.Failure != null) break;
                if (!reached && Stopwatch.GetElapsedTime(started) > StartGrace) break;
                await Task.Delay(200, cancellation);
            }
        }
        return null;
    }

    IEnumerable<WorkerNode> Listers(string dataset)
    {
        int[] ranked = new int[MaxListers];
        PlacementMap map = peers.Map;
        int count = map.Rank(new BlockId(Digest.Of(Encoding.UTF8.GetBytes(dataset))), ranked);
        return ranked[..count].Select(i => map.Workers[i]);
    }

    async Task<(DatasetMessage? Found, bool Reached)> AskAsync(WorkerNode worker, string dataset, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(timing.Silence);
        WorkerHttp http = ((HttpPeer)peers.Of(worker).Peer).Http;
        try
        {
            using HttpRequestMessage request = http.Request(HttpMethod.Get, $"/v1/datasets/{dataset}");
            using HttpResponseMessage response = await http.Client.SendAsync(request, limit.Token);
            if (!response.IsSuccessStatusCode) return (null, false);
            return (await response.Content.ReadFromJsonAsync(PeerJson.Default.DatasetMessage, limit.Token), true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return (null, false); // Not up yet, or gone: the caller knows how long to go on.
        }
    }

    public async Task CopyAsync(SnapshotId id, string? asker, Stream destination, CancellationToken cancellation)
    {
        PlacementMap map = peers.Map;
        // Who asks for it has it; then any, a few of them.
        IEnumerable<WorkerNode> holders = map.Workers.Where(w => w.Name != self).OrderByDescending(w => w.Name == asker).ThenByDescending(w => peers.Of(w).IsUsable).Take(8);
        string failed = "there is no other worker";
        foreach (WorkerNode worker in holders)
        {
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(timing.Silence);
            WorkerHttp http = ((HttpPeer)peers.Of(worker).Peer).Http;
            try
            {
                using HttpRequestMessage request = http.Request(HttpMethod.Get, $"/v1/snapshots/{id}");
                using HttpResponseMessage response = await http.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
                if (response.IsSuccessStatusCode)
                {
                    limit.CancelAfter(TimeSpan.FromMinutes(10)); // 60 bytes a file: gigabytes at most.
                    destination.SetLength(0);
                    await response.Content.CopyToAsync(destination, limit.Token);
                    return;
                }
                failed = $"worker {worker.Name}: {await WorkerHttp.ReadErrorAsync(response, limit.Token)}";
            }
            catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
            {
                failed = $"worker {worker.Name}: {(e is OperationCanceledException ? "no answer" : e.Message)}";
            }
        }
        throw new PeerException(PeerFault.Absent, $"no worker has snapshot {id.ToString()[..12]}: {failed}");
    }
}
