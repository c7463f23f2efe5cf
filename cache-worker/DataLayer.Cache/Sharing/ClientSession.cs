using System.Collections.Concurrent;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// What the owner knows of one other process: its datasets and the block files it holds. All of it ends with the
/// connection, however that ends. Frames arrive one at a time.
/// </summary>
internal sealed class ClientSession(OwnedDirectory directory, StoreConnection connection)
{
    // A process may hold what it has open (4,096) and a few that it is told to close.
    const int MaxHeld = 64 << 10;
    const int MaxRegistrations = 1000;
    static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    readonly Dictionary<uint, Registration> _registrations = [];
    readonly Dictionary<ulong, int> _held = [];
    readonly ConcurrentDictionary<uint, TaskCompletionSource<bool[]>> _questions = new();
    readonly Lock _gate = new();
    uint _question;
    bool _ended;

    public void Evicted(BlockGrant grant, BlockFileId id)
    {
        lock (_gate)
        {
            if (!_held.ContainsKey(grant.Serial)) return;
        }
        connection.Send(new MessageWriter(MessageKind.Evicted).Add(grant.Serial).Add(id));
    }

    /// <exception cref="InvalidDataException">The client does not keep to the protocol: the connection ends.</exception>
    public void Handle(byte[] frame)
    {
        MessageReader message = new(frame);
        switch ((MessageKind)message.Byte())
        {
            case MessageKind.Register:
                Register(message.UInt32(), message.Double(), message.Text());
                break;
            case MessageKind.Unregister:
                if (_registrations.Remove(message.UInt32(), out Registration? registration)) directory.Unregister(registration);
                break;
            case MessageKind.Open:
                OpenMessage open = message.Open();
                _ = OpenAsync(open, Registered(open.Registration));
                break;
            case MessageKind.AdmitStep:
                AdmitStepMessage admit = message.AdmitStep();
                Registration asker = Registered(admit.Registration);
                if (TryHeld(admit.Serial, out BlockGrant growing)) _ = AdmitStepAsync(admit, asker, growing);
                else Answer(admit.Request, null, 0);
                break;
            case MessageKind.Close:
                Close(message.UInt64());
                break;
            case MessageKind.Wrote:
                if (TryHeld(message.UInt64(), out BlockGrant written)) directory.Wrote(written, Math.Max(0, message.Int64()));
                break;
            case MessageKind.Pin:
                if (TryHeld(message.UInt64(), out BlockGrant pinned)) directory.Pin(pinned, message.Byte() != 0);
                break;
            case MessageKind.Discard:
                if (TryHeld(message.UInt64(), out BlockGrant bad)) directory.Discard(bad, message.Id());
                break;
            case MessageKind.Contained:
                if (_questions.TryRemove(message.UInt32(), out TaskCompletionSource<bool[]>? question))
                    question.TrySetResult([.. message.Rest().ToArray().Select(b => b != 0)]);
                break;
            case MessageKind.AskSpace:
                connection.Send(new MessageWriter(MessageKind.Space).Add(directory.Space));
                break;
            default:
                throw new InvalidDataException($"a message of kind {frame[0]}");
        }
    }

    void Register(uint number, double weight, string dataset)
    {
        if (!(weight > 0) || double.IsInfinity(weight) || dataset.Length == 0 || _registrations.Count >= MaxRegistrations)
            throw new InvalidDataException("a dataset that cannot be registered");
        Registration registration = new(0, dataset, weight, (ids, cancellation) => AskContainsAsync(number, ids, cancellation));
        if (!_registrations.TryAdd(number, registration)) throw new InvalidDataException("a dataset registered twice");
        directory.Register(registration);
    }

    Registration Registered(uint number) =>
        _registrations.TryGetValue(number, out Registration? registration) ? registration : throw new InvalidDataException("a dataset that was not registered");

    void Answer(uint request, BlockGrant? granted, int errno) =>
        connection.Send(new MessageWriter(MessageKind.Opened).Add(request).Add(granted != null).Add(granted ?? default).Add(errno).Add(directory.Space));

    async Task AdmitStepAsync(AdmitStepMessage admit, Registration registration, BlockGrant grant) =>
        Answer(admit.Request, await directory.AdmitStepAsync(registration, grant, admit.Step, CancellationToken.None) ? grant : null, 0);

    async Task OpenAsync(OpenMessage open, Registration registration)
    {
        BlockGrant? granted = null;
        int errno = 0;
        try
        {
            granted = await directory.OpenAsync(registration, open.Spec, open.Admit, CancellationToken.None);
        }
        catch (DiskException e)
        {
            errno = e.Errno;
        }
        if (granted is { } grant)
        {
            lock (_gate)
            {
                if (!_ended && _held.Count < MaxHeld)
                {
                    _held[grant.Serial] = _held.GetValueOrDefault(grant.Serial) + 1;
                }
                else
                {
                    directory.Close(grant, open.Spec.Id);
                    granted = null;
                }
            }
        }
        Answer(open.Request, granted, errno);
    }

    bool TryHeld(ulong serial, out BlockGrant grant)
    {
        grant = new BlockGrant(serial, default);
        lock (_gate) return _held.ContainsKey(serial);
    }

    void Close(ulong serial)
    {
        lock (_gate)
        {
            if (!_held.TryGetValue(serial, out int count)) return;
            if (count == 1) _held.Remove(serial);
            else _held[serial] = count - 1;
        }
        directory.Close(new BlockGrant(serial, default), default);
    }

    /// <summary>A client that does not answer in time is taken to need everything.</summary>
    async ValueTask<bool[]> AskContainsAsync(uint registration, IReadOnlyList<BlockFileId> ids, CancellationToken cancellation)
    {
        bool[] contained = new bool[ids.Count];
        Array.Fill(contained, true);
        for (int from = 0; from < ids.Count; from += ContainsMessage.MaxIds)
        {
            int count = Math.Min(ContainsMessage.MaxIds, ids.Count - from);
            uint number = Interlocked.Increment(ref _question);
            TaskCompletionSource<bool[]> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _questions[number] = answer;
            MessageWriter message = new MessageWriter(MessageKind.Contains).Add(number).Add(registration);
            for (int i = 0; i < count; i++) message.Add(ids[from + i]);
            connection.Send(message);
            try
            {
                bool[] part = await answer.Task.WaitAsync(AnswerLimit, cancellation);
                if (part.Length != count) return contained;
                part.CopyTo(contained, from);
            }
            catch (Exception e) when (e is TimeoutException or OperationCanceledException)
            {
                return contained;
            }
            finally
            {
                _questions.TryRemove(number, out _);
            }
        }
        return contained;
    }

    /// <summary>The process is gone or cut off: what it held is free, what it read is idle.</summary>
    public void End()
    {
        KeyValuePair<ulong, int>[] held;
        lock (_gate)
        {
            _ended = true;
            held = [.. _held];
            _held.Clear();
        }
        foreach ((ulong serial, int count) in held)
            for (int i = 0; i < count; i++) directory.Close(new BlockGrant(serial, default), default);
        foreach (Registration registration in _registrations.Values) directory.Unregister(registration);
        foreach (TaskCompletionSource<bool[]> question in _questions.Values) question.TrySetCanceled();
    }

    public ValueTask DisconnectAsync() => connection.DisposeAsync();
}
