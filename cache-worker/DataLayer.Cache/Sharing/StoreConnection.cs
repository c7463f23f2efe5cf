using System.Buffers.Binary;
using System.Net.Sockets;
using System.Threading.Channels;

namespace DataLayer.Cache;

/// <summary>
/// One end of the socket between a store's owner and another process: frames in order, each way. Sending never waits; a
/// peer that does not read is dropped after <see cref="MaxUnsent"/> frames. Anything malformed ends the connection.
/// </summary>
internal sealed class StoreConnection : IAsyncDisposable
{
    public const int MaxFrame = 128 << 10;

    // Frames are 20 to 80 bytes but for the rare list of ids: about a megabyte for a peer that stopped.
    const int MaxUnsent = 16 << 10;

    static readonly TimeSpan HelloLimit = TimeSpan.FromSeconds(5);

    readonly Socket _socket;
    readonly Channel<byte[]> _unsent = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(MaxUnsent) { SingleReader = true });
    readonly CancellationTokenSource _stop = new();
    Task _sending = Task.CompletedTask;

    StoreConnection(Socket socket) => _socket = socket;

    /// <summary>Exchanges hellos; null when the peer is not one of ours, of another version, or silent.</summary>
    public static async Task<StoreConnection?> StartAsync(Socket socket, CancellationToken cancellation)
    {
        StoreConnection connection = new(socket);
        try
        {
            if (!IsSameUser(socket)) throw new InvalidDataException("a process of another user");
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(HelloLimit);
            await socket.SendAsync(new MessageWriter(MessageKind.Hello).Add(Hello.Current).ToFrame(), limit.Token);
            byte[] hello = await connection.ReceiveAsync(limit.Token);
            if (!IsHello(hello)) throw new InvalidDataException("not a hello of this version");
            connection._sending = Task.Run(connection.SendAsync, CancellationToken.None);
            return connection;
        }
        catch (Exception e) when (e is SocketException or IOException or InvalidDataException or OperationCanceledException)
        {
            await connection.DisposeAsync();
            if (cancellation.IsCancellationRequested) throw;
            return null;
        }
    }

    static bool IsHello(ReadOnlySpan<byte> frame)
    {
        MessageReader reader = new(frame);
        return reader.Left >= 5 && reader.Byte() == (byte)MessageKind.Hello && reader.UInt32() == Hello.Current;
    }

    static bool IsSameUser(Socket socket)
    {
        // SOL_SOCKET, SO_PEERCRED of the Linux socket ABI: struct ucred { pid, uid, gid }, 32 bits each.
        Span<byte> credentials = stackalloc byte[12];
        return socket.GetRawSocketOption(1, 17, credentials) == 12 && BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]) == Libc.GetEUid();
    }

    /// <summary>Queues a frame; drops the connection when too many wait.</summary>
    public void Send(MessageWriter message)
    {
        if (!_unsent.Writer.TryWrite(message.ToFrame())) _socket.Dispose();
    }

    async Task SendAsync()
    {
        try
        {
            await foreach (byte[] frame in _unsent.Reader.ReadAllAsync(_stop.Token))
            {
                for (int sent = 0; sent < frame.Length;) sent += await _socket.SendAsync(frame.AsMemory(sent), _stop.Token);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            _socket.Dispose(); // The receiving side sees it and ends the connection.
        }
    }

    /// <summary>Hands every frame to <paramref name="handle"/> until the peer is gone, misbehaves, or the connection is disposed.</summary>
    public async Task RunAsync(Action<byte[]> handle)
    {
        try
        {
            for (; ; ) handle(await ReceiveAsync(_stop.Token));
        }
        catch (Exception e) when (e is SocketException or IOException or InvalidDataException or ObjectDisposedException or OperationCanceledException)
        {
            return;
        }
        finally
        {
            _socket.Dispose();
        }
    }

    async Task<byte[]> ReceiveAsync(CancellationToken cancellation)
    {
        byte[] head = new byte[4];
        await FillAsync(head, cancellation);
        int length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length is < 1 or > MaxFrame) throw new InvalidDataException($"a frame of {length} bytes");
        byte[] frame = new byte[length];
        await FillAsync(frame, cancellation);
        return frame;
    }

    async Task FillAsync(Memory<byte> destination, CancellationToken cancellation)
    {
        while (destination.Length > 0)
        {
            int got = await _socket.ReceiveAsync(destination, cancellation);
            if (got == 0) throw new EndOfStreamException();
            destination = destination[got..];
        }
    }

    public async ValueTask DisposeAsync()
    {
        _unsent.Writer.TryComplete();
        await _stop.CancelAsync();
        _socket.Dispose();
        await _sending;
    }
}
