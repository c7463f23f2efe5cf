using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>The block directory of a mount: what its worker lends. Admits nothing, for the worker decides what is kept.</summary>
internal sealed class LentDirectory : IBlockDirectory
{
    // The worker answers from memory, after two open(2): one that takes longer is stopped, and its peers have the bytes.
    static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);
    const int MaxFrame = 16 << 10;

    readonly Socket _socket;
    readonly ConcurrentDictionary<uint, TaskCompletionSource<BlockGrant?>> _questions = new();
    readonly ConcurrentDictionary<ulong, ConcurrentQueue<BlockDescriptors>> _arrived = new();
    readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Lock _gate = new();
    uint _request;
    StoreSpace _space;

    LentDirectory(Socket socket) => _socket = socket;

    public event Action<BlockGrant, BlockFileId>? Evicted;

    /// <summary>Completes when the worker is gone.</summary>
    public Task Lost => _lost.Task;

    /// <summary>Null when no worker listens, or it does not let us in. Blocks for at most a few seconds.</summary>
    public static LentDirectory? TryConnect(string path, string token)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            SetReceiveLimit(socket, AnswerLimit);
            LentDirectory directory = new(socket);
            byte[] hello = new MessageWriter(MessageKind.Hello).Add(Hello.Current).Add(token).ToFrame();
            if (DescriptorSocket.TrySend(socket, hello, null) && directory.Receive() is { } answer && answer[0] == (byte)MessageKind.Hello)
            {
                SetReceiveLimit(socket, TimeSpan.Zero);
                new Thread(directory.Run, 256 << 10) { IsBackground = true, Name = "lent blocks" }.Start();
                return directory;
            }
        }
        catch (Exception e) when (e is SocketException or IOException or InvalidDataException or ObjectDisposedException)
        {
            // Not there, or not ours: tried again later.
        }
        socket.Dispose();
        return null;
    }

    /// <summary>For recvmsg, which <see cref="Socket.ReceiveTimeout"/> does not reach.</summary>
    /// <param name="limit">Zero: none.</param>
    static void SetReceiveLimit(Socket socket, TimeSpan limit)
    {
        const int SOL_SOCKET = 1, SO_RCVTIMEO = 20;
        Span<byte> timeval = stackalloc byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(timeval, (long)limit.TotalSeconds);
        socket.SetRawSocketOption(SOL_SOCKET, SO_RCVTIMEO, timeval);
    }

    /// <summary>
    /// Leaves a worker that does not answer or read, so that the next reader does not wait for it as well. The thread that
    /// receives is woken and closes the socket: closing it here would neither wake that thread nor keep it from the next
    /// file that gets the descriptor's number.
    /// </summary>
    void Leave()
    {
        _lost.TrySetResult();
        try { _socket.Shutdown(SocketShutdown.Both); }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Ended already.
        }
    }

    readonly List<int> _files = [];

    byte[]? Receive()
    {
        Span<byte> head = stackalloc byte[4];
        if (!DescriptorSocket.TryReceive(_socket, head, _files)) return null;
        int length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length is < 1 or > MaxFrame) return null;
        byte[] frame = new byte[length];
        return DescriptorSocket.TryReceive(_socket, frame, _files) ? frame : null;
    }

    void Run()
    {
        try
        {
            while (Receive() is { } frame) Handle(frame);
        }
        catch (Exception e) when (e is InvalidDataException or ObjectDisposedException)
        {
            // A worker that does not keep to the protocol is as good as gone.
        }
        finally
        {
            _socket.Dispose();
            foreach (int file in _files) Libc.Close(file);
            foreach (TaskCompletionSource<BlockGrant?> question in _questions.Values) question.TrySetResult(null);
            _lost.TrySetResult();
        }
    }

    void Handle(byte[] frame)
    {
        MessageReader message = new(frame.AsSpan(1));
        switch ((MessageKind)frame[0])
        {
            case MessageKind.Lent:
                uint request = message.UInt32();
                bool granted = message.Byte() != 0;
                BlockGrant grant = new(message.UInt64(), default);
                StoreSpace space = message.Space();
                lock (_gate) _space = space;
                if (granted && _files.Count != DescriptorSocket.FilesPerMessage) throw new InvalidDataException("a block without its files");
                if (granted)
                {
                    _arrived.GetOrAdd(grant.Serial, _ => new()).Enqueue(new BlockDescriptors(_files[0], _files[1], IsReadOnly: true));
                    _files.Clear();
                }
                // If its asker has given up, nobody else would give the block back.
                bool heard = _questions.TryRemove(request, out TaskCompletionSource<BlockGrant?>? question) && question.TrySetResult(granted ? grant : null);
                if (!heard && granted) GiveBackUnused(grant);
                break;
            case MessageKind.Evicted:
                BlockGrant evicted = new(message.UInt64(), default);
                Evicted?.Invoke(evicted, message.Id());
                break;
            default:
                throw new InvalidDataException($"a message of kind {frame[0]}");
        }
    }

    void GiveBackUnused(BlockGrant grant)
    {
        if (OpenFiles(grant, default, out BlockDescriptors files) != 0) return;
        Libc.Close(files.Data);
        Libc.Close(files.Sums);
        Close(grant, default);
    }

    public StoreSpace Space { get { lock (_gate) return _space; } }

    public void Register(Registration registration)
    {
    }

    public void Unregister(Registration registration)
    {
    }

    public async ValueTask<BlockGrant?> OpenAsync(Registration registration, BlockSpec spec, bool admit, CancellationToken cancellation)
    {
        if (registration.Snapshot is not { } snapshot || _lost.Task.IsCompleted) return null;
        uint request = Interlocked.Increment(ref _request);
        TaskCompletionSource<BlockGrant?> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _questions[request] = answer;
        Send(new MessageWriter(MessageKind.Borrow).Add(request).Add(new BlockFileId(snapshot.Value)).Add(spec.Id));
        if (_lost.Task.IsCompleted) answer.TrySetResult(null);
        try
        {
            return await answer.Task.WaitAsync(AnswerLimit, cancellation);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            if (!answer.TrySetResult(null) && answer.Task.Result is { } late) GiveBackUnused(late);
            if (e is TimeoutException) Leave();
            cancellation.ThrowIfCancellationRequested();
            return null;
        }
        finally
        {
            _questions.TryRemove(request, out _);
        }
    }

    void Send(MessageWriter message)
    {
        lock (_gate)
        {
            try
            {
                if (!DescriptorSocket.TrySend(_socket, message.ToFrame(), null)) Leave();
            }
            catch (ObjectDisposedException)
            {
                // The reading side ends the attachment.
            }
        }
    }

    public int OpenFiles(BlockGrant grant, BlockFileId id, out BlockDescriptors files)
    {
        files = default;
        return _arrived.TryGetValue(grant.Serial, out ConcurrentQueue<BlockDescriptors>? queue) && queue.TryDequeue(out files) ? 0 : Libc.ENOENT;
    }

    /// <summary>Never: reads that the worker's store cannot answer pass by.</summary>
    public ValueTask<bool> AdmitStepAsync(Registration registration, BlockGrant grant, int step, CancellationToken cancellation) => new(false);

    public void Close(BlockGrant grant, BlockFileId id) => Send(new MessageWriter(MessageKind.Close).Add(grant.Serial));

    public void Wrote(BlockGrant grant, long bytes) => throw new InvalidOperationException("a lent block file is not written");

    public void Pin(BlockGrant grant, bool pinned) => Send(new MessageWriter(MessageKind.Pin).Add(grant.Serial).Add(pinned));

    /// <summary>The worker finds by itself what is wrong with its files.</summary>
    public void Discard(BlockGrant grant, BlockFileId id)
    {
    }

    public ValueTask DisposeAsync()
    {
        // Wakes the thread that reads; it closes the rest.
        try { _socket.Shutdown(SocketShutdown.Both); }
        catch (Exception e) when (e is SocketException or ObjectDisposedException) { return ValueTask.CompletedTask; }
        return new(_lost.Task);
    }
}
