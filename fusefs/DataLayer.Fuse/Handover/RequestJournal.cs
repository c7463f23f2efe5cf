using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// The requests that were taken from the kernel and not answered yet, in memory that outlives the process: for kernels that
/// cannot send them again (before 6.9, no FUSE_NOTIFY_RESEND). Thread-safe.
/// </summary>
/// <remarks>
/// Each worker reads into its landing slot, so there is no moment between the kernel's giving a request away and its being
/// here. A slot is in use while the number in its header is not zero; that number is cleared before each read, and after the
/// answer. One that is answered later moves to a parked slot first. A process that dies between answer and clearing leaves an
/// answered request here: the successor's answer gets ENOENT, because the kernel never uses a number twice.
/// </remarks>
sealed unsafe class RequestJournal : IDisposable
{
    const ulong Magic = 0x3130_4C4E_524A_4C44; // "DLJRNL01"
    const int HeaderSize = 4096;
    const int LandingSlots = 64; // the most threads that FuseOptions allows
    const int LandingSize = DeviceWorker.BufferSize;

    // Most requests that may wait for a source at once, before workers wait for one of them to end. Memory is used by those
    // that do wait: one page each.
    const int ParkedSlots = 1024;
    const int ParkedHead = 64; // index of the device, then unused
    const int ParkedSize = ParkedHead + LandingSize;

    const int Size = HeaderSize + LandingSlots * LandingSize + ParkedSlots * ParkedSize;
    const int UniqueOffset = 8; // of fuse_in_header

    readonly SharedRegion _region;
    readonly Stack<int> _free = new();
    readonly Lock _gate = new();
    readonly SemaphoreSlim _available;
    bool _closed;

    RequestJournal(SharedRegion region, int devices)
    {
        _region = region;
        Recover(devices);
        for (int slot = ParkedSlots - 1; slot >= 0; slot--)
            if (UniqueOf(Parked(slot)) == 0) _free.Push(slot);
        _available = new SemaphoreSlim(_free.Count);
    }

    /// <summary>Empty memory for a new connection.</summary>
    public static SafeFileHandle Create()
    {
        SharedRegion region = SharedRegion.Create("datalayer-requests", Size);
        MemoryMarshal.Write(region.Bytes, Magic);
        return region.Descriptor; // Its mapping goes with the object; the descriptor keeps the memory.
    }

    /// <summary>Opens what a predecessor left. Only when that one is gone or paused.</summary>
    /// <param name="descriptor">Stays the caller's.</param>
    /// <param name="devices">Descriptors of the connection; the worker of each has its number, further workers share the first.</param>
    public static RequestJournal Open(SafeFileHandle descriptor, int devices)
    {
        SharedRegion region = SharedRegion.Map(new SafeFileHandle(descriptor.DangerousGetHandle(), ownsHandle: false), Size);
        if (MemoryMarshal.Read<ulong>(region.Bytes) == Magic) return new RequestJournal(region, devices);
        region.Dispose();
        throw new FuseException("The journal of requests is of another version.", Errno.EINVAL);
    }

    /// <summary>Where a worker reads requests to, <see cref="DeviceWorker.BufferSize"/> bytes.</summary>
    public byte* LandingOf(int worker) => _region.Address + HeaderSize + worker * LandingSize;

    /// <summary>Marks a landing slot as empty.</summary>
    public static void Clear(byte* slot) => Volatile.Write(ref *(ulong*)(slot + UniqueOffset), 0);

    /// <summary>Keeps the request of a landing slot for an answer that comes later. Waits while all slots are in use.</summary>
    public int Park(byte* landing, int device)
    {
        _available.Wait();
        int slot;
        lock (_gate) slot = _free.Pop();
        Copy(landing, slot, device);
        return slot;
    }

    /// <summary>The request of a parked slot was answered. Nothing when the journal is closed: the connection has ended, and its memory with it.</summary>
    public void Release(int slot)
    {
        lock (_gate)
        {
            if (_closed) return;
            Clear(Parked(slot));
            _free.Push(slot);
        }
        _available.Release();
    }

    /// <summary>The parked requests of one device, which nobody will answer but we.</summary>
    public IReadOnlyList<int> LeftOf(int device)
    {
        List<int> left = [];
        for (int slot = 0; slot < ParkedSlots; slot++)
            if (UniqueOf(Parked(slot)) != 0 && *(int*)(Parked(slot) - ParkedHead) == device) left.Add(slot);
        return left;
    }

    public ReadOnlySpan<byte> MessageOf(int slot)
    {
        byte* message = Parked(slot);
        // Safe: a slot holds LandingSize bytes, and a length that lies is cut to it.
        return new ReadOnlySpan<byte>(message, (int)Math.Min(*(uint*)message, LandingSize));
    }

    /// <summary>Only after the workers have ended. Requests may still wait for their answers.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_closed) return;
            _closed = true;
            _region.Dispose();
        }
    }

    /// <summary>Moves what lies in landing slots to parked ones, so that each worker begins with an empty one.</summary>
    void Recover(int devices)
    {
        HashSet<ulong> parked = [];
        Stack<int> free = [];
        for (int slot = ParkedSlots - 1; slot >= 0; slot--)
        {
            // A request may lie in both when its process died while it moved it.
            if (UniqueOf(Parked(slot)) is not 0 and ulong unique) parked.Add(unique);
            else free.Push(slot);
        }
        for (int worker = 0; worker < LandingSlots; worker++)
        {
            byte* landing = LandingOf(worker);
            ulong unique = UniqueOf(landing);
            if (unique == 0) continue;
            if (!parked.Contains(unique) && !FuseOperations.IsOneWay(((FuseInHeader*)landing)->Opcode) && free.TryPop(out int slot)) Copy(landing, slot, worker < devices ? worker : 0);
            Clear(landing);
        }
    }

    void Copy(byte* landing, int slot, int device)
    {
        byte* message = Parked(slot);
        *(int*)(message - ParkedHead) = device;
        uint length = Math.Min(*(uint*)landing, LandingSize);
        Clear(message);
        ulong unique = UniqueOf(landing);
        // Everything but the number, then the number: with it the slot is in use.
        new ReadOnlySpan<byte>(landing, UniqueOffset).CopyTo(new Span<byte>(message, UniqueOffset));
        const int rest = UniqueOffset + sizeof(ulong);
        if (length > rest) new ReadOnlySpan<byte>(landing + rest, (int)length - rest).CopyTo(new Span<byte>(message + rest, (int)length - rest));
        Volatile.Write(ref *(ulong*)(message + UniqueOffset), unique);
    }

    byte* Parked(int slot) => _region.Address + HeaderSize + LandingSlots * LandingSize + slot * ParkedSize + ParkedHead;

    static ulong UniqueOf(byte* slot) => Volatile.Read(ref *(ulong*)(slot + UniqueOffset));
}
