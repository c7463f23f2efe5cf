using System.Collections.Concurrent;
using System.Net.Sockets;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Serves a store's owner to the other processes of the same user; each has a <see cref="ClientSession"/>.</summary>
internal sealed class OwnerServer : IAsyncDisposable
{
    // A mount is one process: far more than a machine runs, few enough to bound what a broken client can open.
    const int MaxClients = 1000;

    readonly OwnedDirectory _directory;
    readonly Socket _listener;
    readonly StoreSocket _name;
    readonly CancellationTokenSource _stop = new();
    readonly ConcurrentDictionary<ClientSession, Task> _sessions = new();
    readonly Task _accepting;

    public OwnerServer(OwnedDirectory directory, StorePaths paths)
    {
        _directory = directory;
        _listener = StoreSocket.Create();
        try
        {
            // The lock is held: a socket file that is there belongs to an owner that died.
            Libc.Unlink(paths.Socket);
            _name = new StoreSocket(paths);
            _listener.Bind(_name.EndPoint);
            _listener.Listen(MaxClients);
        }
        catch
        {
            _listener.Dispose();
            _name?.Dispose();
            throw;
        }
        directory.Evicted += Announce;
        _accepting = Task.Run(AcceptAsync);
    }

    public int Clients => _sessions.Count;

    void Announce(BlockGrant grant, BlockFileId id)
    {
        foreach (ClientSession session in _sessions.Keys) session.Evicted(grant, id);
    }

    async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException)
            {
                // Out of descriptors, or a client that gave up while it waited: others may still come.
                await Task.Delay(100);
                continue;
            }
            if (_sessions.Count >= MaxClients) socket.Dispose();
            else _ = Task.Run(() => ServeAsync(socket));
        }
    }

    async Task ServeAsync(Socket socket)
    {
        StoreConnection? connection = null;
        try
        {
            connection = await StoreConnection.StartAsync(socket, _stop.Token);
        }
        catch (OperationCanceledException) { }
        if (connection == null)
        {
            socket.Dispose();
            return;
        }
        ClientSession session = new(_directory, connection);
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _sessions.TryAdd(session, ended.Task);
        try
        {
            if (!_stop.IsCancellationRequested) await connection.RunAsync(session.Handle);
        }
        finally
        {
            _sessions.TryRemove(session, out _);
            session.End();
            await connection.DisposeAsync();
            ended.SetResult();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _directory.Evicted -= Announce;
        await _stop.CancelAsync();
        _listener.Dispose(); // Removes the socket's file, by the name that is closed after it.
        _name.Dispose();
        await _accepting;
        foreach ((ClientSession session, Task ended) in _sessions.ToArray())
        {
            await session.DisconnectAsync();
            await ended;
        }
    }
}
