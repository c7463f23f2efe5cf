using System.Net.Http.Json;
using System.Text.Json;
using DataLayer.Cache;
using DataLayer.CacheWorker.Datasets;

namespace DataLayer.CacheWorker.Warming;

/// <summary>Spreads a warm-up over the homes and adds up their progress. A worker that is lost meanwhile is left out, and its share done by those next in the order.</summary>
sealed class WarmSpread(PeerTable peers, string self, ServedSnapshot served, WarmRequest request)
{
    static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    readonly Dictionary<string, WarmProgress> _progress = [];
    readonly SemaphoreSlim _reporting = new(1);

    /// <exception cref="UserException">A path that the dataset does not have, or what a worker says.</exception>
    public async Task RunAsync(Func<WarmProgress, ValueTask> report, CancellationToken cancellation)
    {
        List<string> excluded = [];
        for (; ; )
        {
            PlacementMap map = peers.Map;
            WorkerNode[] workers = [.. map.Workers.Where(w => !excluded.Contains(w.Name))];
            if (workers.All(w => w.Name != self)) workers = [.. workers, new WorkerNode(self, "", "", 0, 0)];
            foreach (WorkerNode worker in workers.Where(w => w.Name != self && !peers.Of(w).IsUsable).ToArray())
            {
                excluded.Add(worker.Name);
                workers = [.. workers.Where(w => w != worker)];
            }
            ShareRequest share = new(served.Manifest.Id.ToString(), request.Paths, request.Bandwidth == 0 ? 0 : Math.Max(1, request.Bandwidth / workers.Length), [.. excluded]);
            lock (_progress) _progress.Clear();
            using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            string?[] lost = await Task.WhenAll(workers.Select(worker => RunOneAsync(worker, map, share, report, stop)));
            if (lost.All(name => name == null)) break;
            excluded.AddRange(lost.Where(name => name != null)!);
        }
        WarmProgress total = Total();
        string? missing = total.Bytes < total.TotalBytes ? $"{FuseFs.CommandLine.Values.Size(total.TotalBytes - total.Bytes)} did not fit into the homes' caches" : null;
        await report(total with { Done = true, Error = missing });
    }

    /// <returns>The worker's name when it was lost.</returns>
    async Task<string?> RunOneAsync(WorkerNode worker, PlacementMap map, ShareRequest share, Func<WarmProgress, ValueTask> report, CancellationTokenSource stop)
    {
        try
        {
            if (worker.Name == self) await new WarmShare(served, map, self, share).RunAsync(progress => NoteAsync(self, progress, report), stop.Token);
            else await AskAsync(worker, share, report, stop.Token);
            return null;
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or TimeoutException && worker.Name != self && !stop.IsCancellationRequested)
        {
            Log.Warn($"warming {served.Dataset}: worker {worker.Name}: {fault.Message}; its share goes to others");
            return worker.Name;
        }
        catch
        {
            await stop.CancelAsync(); // The others' work would be for nothing.
            throw;
        }
    }

    async Task AskAsync(WorkerNode worker, ShareRequest share, Func<WarmProgress, ValueTask> report, CancellationToken cancellation)
    {
        WorkerHttp http = ((HttpPeer)peers.Of(worker).Peer).Http;
        using HttpRequestMessage message = http.Request(HttpMethod.Post, $"/v1/datasets/{served.Dataset}/warm?share=1");
        message.Content = JsonContent.Create(share, WarmJson.Default.ShareRequest);
        using HttpResponseMessage response = await http.Client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellation).WaitAsync(Silence, cancellation);
        if (!response.IsSuccessStatusCode) throw new UserException($"worker {worker.Name}: {await WorkerHttp.ReadErrorAsync(response, cancellation)}");
        await using Stream body = await response.Content.ReadAsStreamAsync(cancellation);
        using StreamReader lines = new(body);
        bool done = false;
        while (await lines.ReadLineAsync(cancellation).AsTask().WaitAsync(Silence, cancellation) is { } line)
        {
            WarmProgress progress = JsonSerializer.Deserialize(line, WarmJson.Default.WarmProgress)!;
            if (progress.Error != null) throw new UserException($"worker {worker.Name}: {progress.Error}");
            done = progress.Done;
            await NoteAsync(worker.Name, progress, report);
        }
        if (!done) throw new IOException("it ended early");
    }

    async ValueTask NoteAsync(string worker, WarmProgress progress, Func<WarmProgress, ValueTask> report)
    {
        lock (_progress) _progress[worker] = progress;
        await _reporting.WaitAsync();
        try { await report(Total()); }
        finally { _reporting.Release(); }
    }

    WarmProgress Total()
    {
        lock (_progress) return new WarmProgress(_progress.Values.Sum(p => p.Bytes), _progress.Values.Sum(p => p.TotalBytes));
    }
}
