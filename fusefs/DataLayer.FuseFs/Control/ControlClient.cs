using System.Net.Sockets;
using System.Text.Json;
using DataLayer.Fuse;

namespace DataLayer.FuseFs.Control;

/// <summary>The command line's end of a mount's control socket.</summary>
sealed class ControlClient(Socket socket) : IAsyncDisposable
{
    // Answers are produced from counters: seconds of silence mean the process is stopped or wedged.
    static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    readonly NetworkStream stream = new(socket, ownsSocket: true);
    StreamReader? reader;

    /// <exception cref="UserException">Not one of our mounts, or its process does not answer.</exception>
    public static async Task<ControlClient> OpenAsync(string mountPoint, CancellationToken cancellation)
    {
        FuseMountInfo mount = FuseMountPoint.Find(mountPoint)
            ?? throw new UserException($"{mountPoint} is not a dl-fuse mount; 'findmnt -t fuse.datalayer' lists them.");
        return new ControlClient(await ControlSocket.ConnectAsync(mount.ConnectionId, mountPoint, cancellation));
    }

    public async Task SendAsync(ControlRequest request, CancellationToken cancellation)
    {
        await stream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(request, ControlJson.Default.ControlRequest), cancellation);
        await stream.WriteAsync("\n"u8.ToArray(), cancellation);
        reader = new StreamReader(stream);
    }

    /// <summary>The next line, or null when the mount closed the connection.</summary>
    public async Task<string?> ReadLineAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Silence);
        try
        {
            return await reader!.ReadLineAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new UserException($"the process behind the mount did not answer within {Silence.TotalSeconds:0} s.");
        }
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
