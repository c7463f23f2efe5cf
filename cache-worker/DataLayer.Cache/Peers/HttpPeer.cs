using System.Net;
using System.Net.Http.Headers;
using System.Text;
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
            await ReadFramesAsync(body, units, destination, watchdog);
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

    async ValueTask ReadFramesAsync(Stream body, UnitRange units, Memory<byte> destination, Watchdog watchdog)
    {
        byte[] head = new byte[FrameHeader.Size];
        int at = 0;
        for (int i = 0; i < units.Count;)
        {
            await FillAsync(body, head, watchdog);
            FrameHeader frame = FrameHeader.Read(head);
            switch (frame.Kind)
            {
                case FrameKind.Unit:
                    Unit unit = units[i++];
                    if (frame.Unit != unit.Index || frame.Length != unit.Length) throw Nonsense($"unit {frame.Unit} of {frame.Length} bytes instead of {unit.Index} of {unit.Length}");
                    Memory<byte> part = destination.Slice(at, unit.Length);
                    await FillAsync(body, part, watchdog);
                    if (Crc32C.Compute(part.Span) != frame.Crc) throw new PeerException(PeerFault.Corrupt, $"worker {name} sent damaged bytes of block {units.File.BlockFile} unit {unit.Index}");
                    at += unit.Length;
                    break;
                case FrameKind.Wait when frame.Length == 0:
                    break;
                case FrameKind.Fault when frame.Length is >= 0 and <= FrameHeader.MaxText:
                    byte[] text = new byte[frame.Length];
                    await FillAsync(body, text, watchdog);
                    if (Crc32C.Compute(text) != frame.Crc || frame.Unit > (uint)SourceFault.Misconfigured) throw Nonsense("a fault that cannot be read");
                    throw new SourceException((SourceFault)frame.Unit, $"worker {name}: {Encoding.UTF8.GetString(text)}");
                default:
                    throw Nonsense($"a frame of kind {(uint)frame.Kind}");
            }
        }
    }

    PeerException Nonsense(string what) => new(PeerFault.Corrupt, $"worker {name} sent {what}");

    static async ValueTask FillAsync(Stream body, Memory<byte> destination, Watchdog watchdog)
    {
        while (destination.Length > 0)
        {
            int got = await body.ReadAsync(destination, watchdog.Token);
            if (got == 0) throw new EndOfStreamException("the answer ended early");
            watchdog.Restart();
            destination = destination[got..];
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
