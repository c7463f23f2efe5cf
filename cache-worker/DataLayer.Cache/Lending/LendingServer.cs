using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>What one mount may borrow; decided when it connects.</summary>
internal interface ILender
{
    /// <summary>The block of a snapshot the mount may read, and in whose name the store opens it; null for any other.</summary>
    (Registration Registration, BlockSpec Spec)? Find(SnapshotId snapshot, BlockFileId block);
}

/// <summary>
/// Lends block files to the mounts of a worker's node: read-only descriptors over a unix socket, so that a mount reads the
/// store in place, without a copy through the worker, and yet can open nothing but what its dataset holds, whatever its user
/// or its mount namespace. (The alternative, sharing the cache directory as processes of one user do, would hand every mount
/// every dataset, and the right to write.) A lent block file counts as held until the mount gives it back or ends.
/// </summary>
internal sealed class LendingServer : IAsyncDisposable
{
    const int MaxClients = 1000;

    // A mount holds what it has open (4,096) and a few that it is told to close.
    const int MaxHeld = 8192;
    const int MaxFrame = 16 << 10;
    static readonly TimeSpan HelloLimit = TimeSpan.FromSeconds(5);

    readonly string _path;
    readonly BlockStore _store;
    readonly Func<uint, string, ILender?> _admit;
    readonly Socket _listener;
    readonly CancellationTokenSource _stop = new();
    readonly ConcurrentDictionary<Session, Task> _sessions = new();
    readonly Task _accepting;

    /// <param name="path">Of the socket's file; one that is there belonged to a worker that died.</param>
    /// <param name="admit">Decides by the user and the token (may be empty); null refuses.</param>
    public LendingServer(string path, UnixFileMode mode, BlockStore store, Func<uint, string, ILender?> admit)
    {
        _path = path;
        _store = store;
        _admit = admit;
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            File.Delete(path);
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, mode);
            _listener.Listen(128);
        }
        catch
        {
            _listener.Dispose();
            throw;
        }
        store.Evicted += Announce;
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Block files that are lent now.</summary>
    public long Lent => _sessions.Keys.Sum(s => s.Held);

    void Announce(BlockGrant grant, BlockFileId id)
    {
        foreach (Session session in _sessions.Keys) session.Evicted(grant, id);
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
                await Task.Delay(100); // Out of descriptors, or a client that gave up while it waited.
                continue;
            }
            if (_sessions.Count >= MaxClients) socket.Dispose();
            else _ = Task.Run(() => ServeAsync(socket));
        }
    }

    async Task ServeAsync(Socket socket)
    {
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Session? session = null;
        try
        {
            ILender? lender;
            using (CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token))
            {
                limit.CancelAfter(HelloLimit);
                lender = Admit(socket, await ReceiveAsync(socket, limit.Token));
            }
            if (lender == null || !DescriptorSocket.TrySend(socket, new MessageWriter(MessageKind.Hello).Add(Hello.Current).ToFrame(), null)) return;
            session = new Session(_store, socket, lender);
            _sessions.TryAdd(session, ended.Task);
            for (; ; ) await session.HandleAsync(await ReceiveAsync(socket, _stop.Token));
        }
        catch (Exception e) when (e is SocketException or IOException or InvalidDataException or ObjectDisposedException or OperationCanceledException)
        {
            return; // The mount ended, or does not keep to the protocol: the same to us.
        }
        finally
        {
            socket.Dispose();
            if (session != null)
            {
                _sessions.TryRemove(session, out _);
                session.End();
            }
            ended.SetResult();
        }
    }

    ILender? Admit(Socket socket, byte[] frame)
    {
        MessageReader hello = new(frame);
        if ((MessageKind)hello.Byte() != MessageKind.Hello || hello.UInt32() != Hello.Current) return null;
        Span<byte> credentials = stackalloc byte[12];
        // SOL_SOCKET, SO_PEERCRED of the Linux socket ABI: struct ucred { pid, uid, gid }, 32 bits each.
        if (socket.GetRawSocketOption(1, 17, credentials) != 12) return null;
        return _admit(BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]), hello.Text());
    }

    static async Task<byte[]> ReceiveAsync(Socket socket, CancellationToken cancellation)
    {
        byte[] head = new byte[4];
        await FillAsync(socket, head, cancellation);
        int length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length is < 1 or > MaxFrame) throw new InvalidDataException($"a frame of {length} bytes");
        byte[] frame = new byte[length];
        await FillAsync(socket, frame, cancellation);
        return frame;
    }

    static async Task FillAsync(Socket socket, Memory<byte> destination, CancellationToken cancellation)
    {
        while (destination.Length > 0)
        {
            int got = await socket.ReceiveAsync(destination, cancellation);
            if (got == 0) throw new EndOfStreamException();
            destination = destination[got..];
        }
    }

    public async ValueTask DisposeAsync()
    {
        _store.Evicted -= Announce;
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_sessions.Values);
        File.Delete(_path);
    }

    /// <summary>One mount: what it holds ends with its connection. Frames arrive one at a time.</summary>
    sealed class Session(BlockStore store, Socket socket, ILender lender)
    {
        readonly Dictionary<ulong, (BlockGrant Grant, int Count)> _held = [];
        readonly Lock _gate = new();

        public int Held { get { lock (_gate) return _held.Count; } }

        public void Evicted(BlockGrant grant, BlockFileId id)
        {
            lock (_gate)
            {
                if (_held.ContainsKey(grant.Serial)) Send(new MessageWriter(MessageKind.Evicted).Add(grant.Serial).Add(id), null);
            }
        }

        public async ValueTask HandleAsync(byte[] frame)
        {
            switch ((MessageKind)frame[0])
            {
                case MessageKind.Borrow:
                    (uint request, SnapshotId snapshot, BlockFileId block) = ReadBorrow(frame);
                    await LendAsync(request, snapshot, block);
                    break;
                case MessageKind.Close:
                    Close(new MessageReader(frame.AsSpan(1)).UInt64());
                    break;
                case MessageKind.Pin:
                    Pin(frame);
                    break;
                default:
                    throw new InvalidDataException($"a message of kind {frame[0]}");
            }
        }

        static (uint, SnapshotId, BlockFileId) ReadBorrow(byte[] frame)
        {
            MessageReader message = new(frame.AsSpan(1));
            return (message.UInt32(), new SnapshotId(message.Id().Value), message.Id());
        }

        async ValueTask LendAsync(uint request, SnapshotId snapshot, BlockFileId block)
        {
            BlockGrant? granted = null;
            IBlockDirectory? directory = store.Attachment.Directory;
            if (directory != null && lender.Find(snapshot, block) is { } found)
                granted = await directory.OpenAsync(found.Registration, found.Spec, admit: false, CancellationToken.None);
            BlockDescriptors files = default;
            if (granted is { } grant && BlockDescriptors.Open(store.Paths, grant, block, readOnly: true, out files) != 0)
            {
                directory!.Close(grant, block);
                granted = null;
            }
            lock (_gate)
            {
                if (granted is { } held)
                {
                    _held[held.Serial] = (held, _held.GetValueOrDefault(held.Serial).Count + 1);
                    if (_held.Count > MaxHeld) throw new InvalidDataException("a mount that gives nothing back");
                }
                Send(new MessageWriter(MessageKind.Lent).Add(request).Add(granted != null).Add(granted?.Serial ?? 0).Add(directory?.Space ?? default), granted == null ? null : files);
            }
            if (granted == null) return;
            Libc.Close(files.Data);
            Libc.Close(files.Sums);
        }

        void Send(MessageWriter message, BlockDescriptors? files)
        {
            if (!DescriptorSocket.TrySend(socket, message.ToFrame(), files)) socket.Dispose();
        }

        void Close(ulong serial)
        {
            BlockGrant grant;
            lock (_gate)
            {
                if (!_held.TryGetValue(serial, out (BlockGrant Grant, int Count) held)) return;
                grant = held.Grant;
                if (held.Count == 1) _held.Remove(serial);
                else _held[serial] = (grant, held.Count - 1);
            }
            store.Attachment.Directory?.Close(grant, default);
        }

        void Pin(byte[] frame)
        {
            MessageReader message = new(frame.AsSpan(1));
            ulong serial = message.UInt64();
            bool pinned = message.Byte() != 0;
            lock (_gate)
            {
                if (_held.TryGetValue(serial, out (BlockGrant Grant, int Count) held)) store.Attachment.Directory?.Pin(held.Grant, pinned);
            }
        }

        public void End()
        {
            (BlockGrant Grant, int Count)[] held;
            lock (_gate)
            {
                held = [.. _held.Values];
                _held.Clear();
            }
            foreach ((BlockGrant grant, int count) in held)
                for (int i = 0; i < count; i++) store.Attachment.Directory?.Close(grant, default);
        }
    }
}
