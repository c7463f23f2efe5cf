using System.Collections.Concurrent;
using System.Net.Sockets;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>The block directory of a process that does not own the store: asks the owner over its socket.</summary>
internal sealed class RemoteDirectory : IBlockDirectory
{
    // The owner answers from memory, or after unlinking a few files: one that takes longer is stopped or gone, and the
    // reader that waits here had better go to the source.
    static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    // Bytes written are told in steps: they only sharpen the owner's view of the disk's free space.
    const long WroteStep = 4 << 20;

    readonly StorePaths _paths;
    readonly StoreConnection _connection;
    readonly record struct Question(TaskCompletionSource<OpenedMessage> Answer, bool IsOpen);

    readonly ConcurrentDictionary<uint, Question> _questions = new();
    readonly ConcurrentDictionary<uint, Registration> _registrations = new();
    readonly ConcurrentDictionary<ulong, long> _unsaid = new();
    readonly Task _receiving;
    uint _request;
    StoreSpace _space;
    readonly Lock _gate = new();

    RemoteDirectory(StorePaths paths, StoreConnection connection)
    {
        _paths = paths;
        _connection = connection;
        _receiving = Task.Run(ReceiveAsync);
    }

    /// <summary>A block file that is gone; whoever has it open closes it.</summary>
    public event Action<BlockGrant, BlockFileId>? Evicted;

    /// <summary>Completes when the owner is gone.</summary>
    public Task Lost => _receiving;

    /// <summary>Null when no owner listens, or not one of this version and user.</summary>
    public static async Task<RemoteDirectory?> TryConnectAsync(StorePaths paths, CancellationToken cancellation)
    {
        Socket socket = StoreSocket.Create();
        try
        {
            using StoreSocket name = new(paths);
            await socket.ConnectAsync(name.EndPoint, cancellation);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            socket.Dispose();
            return null;
        }
        StoreConnection? connection = await StoreConnection.StartAsync(socket, cancellation);
        return connection == null ? null : new RemoteDirectory(paths, connection);
    }

    async Task ReceiveAsync()
    {
        await _connection.RunAsync(Handle);
        await _connection.DisposeAsync();
        foreach (Question question in _questions.Values) question.Answer.TrySetCanceled();
    }

    void Handle(byte[] frame)
    {
        MessageReader message = new(frame);
        switch ((MessageKind)message.Byte())
        {
            case MessageKind.Opened:
                OpenedMessage opened = message.Opened();
                Note(opened.Space);
                if (!_questions.TryRemove(opened.Request, out Question asked)) throw new InvalidDataException("an answer to nothing");
                // If its asker has given up, nobody else would return the grant.
                if (!asked.Answer.TrySetResult(opened)) Return(asked, opened);
                break;
            case MessageKind.Evicted:
                BlockGrant evicted = new(message.UInt64(), default);
                Evicted?.Invoke(evicted, message.Id());
                break;
            case MessageKind.Contains:
                ContainsMessage question = message.Contains();
                _ = Task.Run(() => AnswerAsync(question));
                break;
            case MessageKind.Space:
                Note(message.Space());
                break;
            default:
                throw new InvalidDataException($"a message of kind {frame[0]}");
        }
    }

    async Task AnswerAsync(ContainsMessage question)
    {
        bool[] contained = new bool[question.Ids.Length];
        if (_registrations.TryGetValue(question.Registration, out Registration? registration))
            contained = await registration.Contains(question.Ids, CancellationToken.None);
        _connection.Send(new MessageWriter(MessageKind.Contained).Add(question.Request).Add([.. contained.Select(c => (byte)(c ? 1 : 0))]));
    }

    void Note(in StoreSpace space)
    {
        lock (_gate) _space = space;
    }

    public StoreSpace Space
    {
        get
        {
            _connection.Send(new MessageWriter(MessageKind.AskSpace)); // For the next time someone asks.
            lock (_gate) return _space;
        }
    }

    public void Register(Registration registration)
    {
        _registrations[(uint)registration.Number] = registration;
        _connection.Send(new MessageWriter(MessageKind.Register).Add((uint)registration.Number).Add(registration.Weight).Add(registration.Dataset));
    }

    public void Unregister(Registration registration)
    {
        _registrations.TryRemove((uint)registration.Number, out _);
        _connection.Send(new MessageWriter(MessageKind.Unregister).Add((uint)registration.Number));
    }

    public async ValueTask<BlockGrant?> OpenAsync(Registration registration, BlockSpec spec, bool admit, CancellationToken cancellation)
    {
        OpenedMessage? opened = await AskAsync(request => new MessageWriter(MessageKind.Open).Add(request).Add((uint)registration.Number).Add(admit).Add(spec), isOpen: true, cancellation);
        if (opened is { DiskError: not 0 and int errno }) throw new DiskException(errno, $"the store's owner: {Libc.Describe(errno)}");
        return opened?.Grant;
    }

    public async ValueTask<bool> AdmitStepAsync(Registration registration, BlockGrant grant, int step, CancellationToken cancellation)
    {
        OpenedMessage? answer = await AskAsync(request => new MessageWriter(MessageKind.AdmitStep).Add(request).Add((uint)registration.Number).Add(grant.Serial).Add(step), isOpen: false, cancellation);
        return answer?.Grant != null;
    }

    /// <summary>Null when the owner is gone or too slow.</summary>
    /// <param name="isOpen">The answer's grant is one to return.</param>
    async ValueTask<OpenedMessage?> AskAsync(Func<uint, MessageWriter> question, bool isOpen, CancellationToken cancellation)
    {
        uint request = Interlocked.Increment(ref _request);
        Question asked = new(new TaskCompletionSource<OpenedMessage>(TaskCreationOptions.RunContinuationsAsynchronously), isOpen);
        _questions[request] = asked;
        if (_receiving.IsCompleted) asked.Answer.TrySetCanceled(CancellationToken.None);
        _connection.Send(question(request));
        try
        {
            return await asked.Answer.Task.WaitAsync(AnswerLimit, cancellation);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // Either this is first, and an answer that still comes returns its grant, or the answer is here and its grant is returned now.
            if (!asked.Answer.TrySetCanceled(CancellationToken.None) && asked.Answer.Task.IsCompletedSuccessfully) Return(asked, asked.Answer.Task.Result);
            // An owner that does not answer is left, so that the next reader does not wait for it as well.
            if (e is TimeoutException) await DisposeAsync();
            cancellation.ThrowIfCancellationRequested();
            return null;
        }
    }

    void Return(Question question, in OpenedMessage unused)
    {
        if (question.IsOpen && unused.Grant is { } grant) Close(grant, default);
    }

    public int OpenFiles(BlockGrant grant, BlockFileId id, out BlockDescriptors files) => BlockDescriptors.Open(_paths, grant, id, readOnly: false, out files);

    public void Close(BlockGrant grant, BlockFileId id)
    {
        _unsaid.TryRemove(grant.Serial, out _);
        _connection.Send(new MessageWriter(MessageKind.Close).Add(grant.Serial));
    }

    public void Wrote(BlockGrant grant, long bytes)
    {
        long unsaid = _unsaid.AddOrUpdate(grant.Serial, bytes, (_, before) => before >= WroteStep ? bytes : before + bytes);
        if (unsaid >= WroteStep) _connection.Send(new MessageWriter(MessageKind.Wrote).Add(grant.Serial).Add(unsaid));
    }

    public void Pin(BlockGrant grant, bool pinned) => _connection.Send(new MessageWriter(MessageKind.Pin).Add(grant.Serial).Add(pinned));

    public void Discard(BlockGrant grant, BlockFileId id) => _connection.Send(new MessageWriter(MessageKind.Discard).Add(grant.Serial).Add(id));

    public async ValueTask DisposeAsync() => await _connection.DisposeAsync();
}
