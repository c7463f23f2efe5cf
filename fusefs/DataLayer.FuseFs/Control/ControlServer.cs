using System.Net.Sockets;
using System.Text.Json;

namespace DataLayer.FuseFs.Control;

/// <summary>Answers `dl-fuse stats` and `dl-fuse warm` for one mount, over its unix socket.</summary>
sealed class ControlServer : IAsyncDisposable
{
    // A line from our own command line: paths given by a shell are at most ARG_MAX (2 MiB) long together.
    const int LongestRequest = 2 << 20;

    // Smooth for a progress bar, and far below the client's patience with a slow source.
    static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(250);

    readonly string path;
    readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    readonly Func<MountStats> stats;
    readonly Func<IReadOnlyList<string>, Action<WarmProgress>, CancellationToken, Task> warm;
    readonly CancellationTokenSource stop = new();
    readonly Task accepting;

    public ControlServer(
        int connection, Func<MountStats> stats, Func<IReadOnlyList<string>, Action<WarmProgress>, CancellationToken, Task> warm)
    {
        this.stats = stats;
        this.warm = warm;
        ControlSocket.EnsureDirectory();
        path = ControlSocket.PathFor(connection);
        // The connection is ours alone, so what stands here was left by a crash.
        File.Delete(path);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(16);
        accepting = AcceptAsync();
    }

    async Task AcceptAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await listener.AcceptAsync(stop.Token);
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                if (stop.IsCancellationRequested) return;
                Log.Warn($"control socket: {fault.Message}");
                await Task.Delay(100);
                continue;
            }

            _ = ServeAsync(client);
        }
    }

    async Task ServeAsync(Socket client)
    {
        try
        {
            await using NetworkStream stream = new(client, ownsSocket: true);
            using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
            if (await ReadLineAsync(stream, gone.Token) is not { } line) return;
            ControlRequest? request = JsonSerializer.Deserialize(line, ControlJson.Default.ControlRequest);
            switch (request?.Command)
            {
                case "stats":
                    await WriteLineAsync(stream, JsonSerializer.SerializeToUtf8Bytes(stats(), ControlJson.Default.MountStats), gone.Token);
                    break;
                case "warm":
                    await WarmAsync(stream, request.Paths, gone);
                    break;
                default:
                    Log.Warn("control socket: unknown command; is dl-fuse of another version?");
                    break;
            }
        }
        catch (Exception fault) when (fault is IOException or JsonException or OperationCanceledException)
        {
            Log.Debug($"control connection ended: {fault.Message}");
        }
        catch (Exception fault)
        {
            Log.Warn($"control request failed: {fault.Message}");
        }
    }

    async Task WarmAsync(NetworkStream stream, IReadOnlyList<string> paths, CancellationTokenSource gone)
    {
        // The command line that goes away (Ctrl-C) ends the warm-up it asked for.
        Task hangUp = Task.Run(async () =>
        {
            _ = await stream.ReadAsync(new byte[1], gone.Token); // nothing is sent: 0 or a fault, both mean gone
            await gone.CancelAsync();
        });
        WarmProgress latest = new();
        Task work = RunAsync();
        while (true)
        {
            bool finished = await Task.WhenAny(work, Task.Delay(ReportInterval, gone.Token)) == work;
            await WriteLineAsync(stream, JsonSerializer.SerializeToUtf8Bytes(Volatile.Read(ref latest), ControlJson.Default.WarmProgress), gone.Token);
            if (finished) break;
        }

        await work;
        await gone.CancelAsync();
        await hangUp.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        async Task RunAsync()
        {
            try
            {
                await warm(paths, progress => Volatile.Write(ref latest, progress), gone.Token);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                Volatile.Write(ref latest, new WarmProgress { Done = true, Error = fault.Message });
            }
        }
    }

    static async Task<byte[]?> ReadLineAsync(NetworkStream stream, CancellationToken cancellation)
    {
        using MemoryStream line = new();
        byte[] chunk = new byte[4096];
        while (line.Length <= LongestRequest)
        {
            int read = await stream.ReadAsync(chunk, cancellation);
            int end = chunk.AsSpan(0, read).IndexOf((byte)'\n');
            line.Write(chunk, 0, end < 0 ? read : end);
            if (end >= 0) return line.ToArray();
            if (read == 0) return null;
        }

        throw new IOException("request too long");
    }

    static async Task WriteLineAsync(NetworkStream stream, byte[] json, CancellationToken cancellation)
    {
        await stream.WriteAsync(json, cancellation);
        await stream.WriteAsync("\n"u8.ToArray(), cancellation);
    }

    /// <summary>Somebody else listens at the path now, or will: it is not to be deleted.</summary>
    public bool IsSuperseded { get; set; }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        await accepting;
        if (!IsSuperseded) File.Delete(path);
        stop.Dispose();
    }
}
