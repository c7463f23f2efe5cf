using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>Answers all requests of a connection with one error. Leaves the devices to their owner.</summary>
sealed class RequestRefusal : IDisposable
{
    static readonly TimeSpan Attention = TimeSpan.FromMilliseconds(100);

    readonly FuseDevice[] _devices;
    readonly RequestJournal? _journal;
    readonly Errno _error;

    public RequestRefusal(FuseDevice[] devices, FuseNegotiation negotiation, SafeFileHandle? journal, Errno error)
    {
        _devices = devices;
        _error = error;
        if (journal is not null) _journal = RequestJournal.Open(journal, devices.Length);
        else new FuseNotifier(devices[0], negotiation).Resend();
        // A request that was announced may be gone again when it is read: that must not keep this thread.
        devices[0].SetBlocking(false);
    }

    public void Run(CancellationToken cancellation)
    {
        for (int i = 0; i < _devices.Length && _journal is not null; i++)
        {
            foreach (int slot in _journal.LeftOf(i))
            {
                Answer(_devices[i], _journal.MessageOf(slot));
                _journal.Release(slot);
            }
        }
        Span<byte> buffer = stackalloc byte[DeviceWorker.BufferSize];
        buffer.Clear();
        while (!cancellation.IsCancellationRequested && !_devices[0].IsEnded)
        {
            if (!_devices[0].WaitReadable(Attention)) continue;
            int length = _devices[0].Read(buffer, out _);
            if (length > 0) Answer(_devices[0], buffer[..length]);
        }
    }

    void Answer(FuseDevice device, ReadOnlySpan<byte> message)
    {
        if (message.Length < FuseInHeader.Size) return;
        FuseInHeader request = MemoryMarshal.Read<FuseInHeader>(message);
        if (FuseOperations.IsOneWay(request.Opcode)) return;
        FuseOutHeader answer = new() { Len = FuseOutHeader.Size, Error = -(int)_error, Unique = request.Unique };
        // Nothing follows from a refusal: the caller is gone, or the mount is.
        _ = device.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in answer)), default, default);
    }

    public void Dispose()
    {
        _devices[0].SetBlocking(true);
        _journal?.Dispose();
    }
}
