using System.Net;
using System.Net.Http.Headers;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>A worker reached over HTTP, by TLS or over its unix socket.</summary>
/// <param name="authorization">The token to show, or null where the connection itself says who asks.</param>
internal sealed class HttpPeer(string name, WorkerHttp http, PeerTiming timing, Func<AuthenticationHeaderValue?>? authorization) : IBlockPeer
{
    public string Name => name;
    public WorkerHttp Http => http;

    public async ValueTask ReadAsync(SnapshotId snapshot, UnitRange units, Memory<byte> destination, bool cachedOnly, CancellationToken cancellation)
    {
        using Watchdog watchdog = new(timing.Silence, cancellation);
        try
        {
            string path = $"/v1/snapshots/{snapshot}/blocks/{units.File.BlockFile}?unit={units.First}&count={units.Count}{(cachedOnly ? "&cached=1" : "")}";
            using HttpResponseMessage response = await SendAsync(path, watchdog);
            await using Stream body = await response.Content.ReadAsStreamAsync(watchdog.Token);
            await FrameReader.ReadAsync(name, body, units, destination, watchdog.Restart, watchdog.Token);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new PeerException(PeerFault.Silent, $"worker {name} was silent for {timing.Silence.TotalSeconds:0.#} s", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new PeerException(PeerFault.Unreachable, $"worker {name}: {Reason(e)}", e);
        }
    }

    async ValueTask<HttpResponseMessage> SendAsync(string path, Watchdog watchdog)
    {
        using HttpRequestMessage request = http.Request(HttpMethod.Get, path);
        request.Headers.Authorization = authorization?.Invoke();
        HttpResponseMessage response = await http.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, watchdog.Token);
        if (response.StatusCode == HttpStatusCode.OK) return response;
        using (response)
        {
            string said = await WorkerHttp.ReadErrorAsync(response, watchdog.Token);
            PeerFault fault = response.StatusCode switch
            {
                HttpStatusCode.NotFound => PeerFault.Absent,
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => PeerFault.Refused,
                HttpStatusCode.UpgradeRequired => PeerFault.Incompatible,
                HttpStatusCode.ServiceUnavailable => PeerFault.Draining,
                _ => PeerFault.Unreachable,
            };
            throw new PeerException(fault, $"worker {name} answered {(int)response.StatusCode}: {said}");
        }
    }

    public async ValueTask ProbeAsync(CancellationToken cancellation)
    {
        using Watchdog watchdog = new(timing.Connect, cancellation);
        try
        {
            (await SendAsync("/healthz", watchdog)).Dispose();
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new PeerException(PeerFault.Silent, $"worker {name} does not answer", e);
        }
        catch (HttpRequestException e)
        {
            throw new PeerException(PeerFault.Unreachable, $"worker {name}: {Reason(e)}", e);
        }
    }

    static string Reason(Exception e) => e.InnerException is { } inner ? $"{e.Message.TrimEnd('.')} ({inner.Message.TrimEnd('.')})" : e.Message.TrimEnd('.');

    /// <summary>Cancels what waits longer than its patience for the next byte.</summary>
    sealed class Watchdog : IDisposable
    {
        readonly CancellationTokenSource _source;
        readonly TimeSpan _patience;

        public Watchdog(TimeSpan patience, CancellationToken cancellation)
        {
            _patience = patience;
            _source = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            Restart();
        }

        public CancellationToken Token => _source.Token;

        public void Restart() => _source.CancelAfter(_patience);

        public void Dispose() => _source.Dispose();
    }
}
