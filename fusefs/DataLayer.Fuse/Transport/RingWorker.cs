using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// The thread of one CPU's queue: takes requests out of completed entries, and commits answers, which asks for the next
/// request in the same step.
/// </summary>
/// <remarks>
/// Commits must come from this thread: the kernel runs an entry's later work on the thread that committed it last. So an
/// answer from elsewhere is written into its entry there, and the entry's number posted here, with a wake-up by an eventfd.
/// </remarks>
sealed unsafe class RingWorker : FuseWorker, IDisposable
{
    /// <summary>Marks the completion of the eventfd's read; entries are numbered from 0.</summary>
    const ulong WakeUp = ulong.MaxValue;

    const int EventFdFlags = 0x80000; // EFD_CLOEXEC

    readonly FuseDevice _device;
    readonly RingQueue _queue;
    readonly SafeFileHandle _wakeUp;
    readonly byte[] _wakeUpCount = GC.AllocateArray<byte>(8, pinned: true);
    readonly ManualResetEventSlim _mayRegister = new();
    readonly TaskCompletionSource<Errno> _created = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource<int> _registered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Lock _lock = new();
    readonly ulong[] _commitIds;
    // Room for every entry: posting never allocates.
    readonly int[] _posted;
    byte[] _rest = new byte[4096];
    int _postedCount;
    bool _ended;
    bool _stopping;
    int _thread;
    int _live;
    IoUring? _ring;

    RingWorker(FuseSession session, int index, FuseDevice device, int cpu, RingQueue queue, SafeFileHandle wakeUp) : base(session, index)
    {
        _device = device;
        _queue = queue;
        _wakeUp = wakeUp;
        _commitIds = new ulong[queue.Entries];
        _posted = new int[queue.Entries];
        Cpu = cpu;
    }

    /// <summary>The CPU, and the kernel's number of the queue.</summary>
    public int Cpu { get; }

    /// <summary>Completes when the thread has its ring, or could not get one.</summary>
    public Task<Errno> Created => _created.Task;

    /// <summary>Completes with the number of entries the kernel accepted.</summary>
    public Task<int> Registered => _registered.Task;

    /// <returns>Null when memory or descriptors lack.</returns>
    public static RingWorker? TryCreate(FuseSession session, int index, FuseDevice device, int cpu, int entries, int payloadSize)
    {
        int wakeUp = Libc.EventFd(0, EventFdFlags);
        if (wakeUp < 0) return null;
        SafeFileHandle handle = new(wakeUp, ownsHandle: true);
        if (RingQueue.TryCreate(entries, payloadSize) is { } queue) return new RingWorker(session, index, device, cpu, queue, handle);
        handle.Dispose();
        return null;
    }

    /// <summary>INIT is answered: hand the entries to the kernel.</summary>
    public void Register() => _mayRegister.Set();

    /// <summary>The thread ends as soon as it is not in a handler. Any thread.</summary>
    public void Stop()
    {
        Volatile.Write(ref _stopping, true);
        _mayRegister.Set();
        Wake();
    }

    /// <summary>Body of the thread.</summary>
    public void Run()
    {
        _thread = Environment.CurrentManagedThreadId;
        PinToCpu();
        _ring = IoUring.TryCreate(_queue.Entries + 1, out Errno errno);
        _created.SetResult(errno);
        try
        {
            if (_ring is null) return;
            _mayRegister.Wait();
            RegisterEntries(_ring);
            Serve(_ring);
        }
        finally
        {
            lock (_lock) _ended = true;
            _registered.TrySetResult(0);
            // Before the device is closed: the ring holds a reference to it.
            _ring?.Dispose();
        }
    }

    public override Memory<byte> Scratch(FuseRequest request, int size)
    {
        NativeMemoryBlock payload = _queue.Payload(request.RingEntry);
        if (size > payload.Length) throw new ArgumentOutOfRangeException(nameof(size), size, "Larger than the largest read.");
        return payload.Memory;
    }

    public void Dispose()
    {
        _queue.Dispose();
        _wakeUp.Dispose();
        _mayRegister.Dispose();
    }

    protected override Errno Transmit(ulong unique, int ringEntry, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        Errno errno = _queue.Fill(ringEntry, unique, error, head, data);
        if (errno == Errno.ENODEV) return errno;
        if (_thread == Environment.CurrentManagedThreadId) Commit(ringEntry);
        else if (!Post(ringEntry)) return Errno.ENODEV;
        return errno;
    }

    void Serve(IoUring ring)
    {
        long start = GC.GetAllocatedBytesForCurrentThread();
        ReadWakeUp(ring);
        while (!Volatile.Read(ref _stopping))
        {
            Errno errno = ring.Enter(wanted: 1);
            // EINTR: a signal. EAGAIN, EBUSY: the kernel lacks memory, or completions to be taken first.
            if (errno is not (Errno.None or Errno.EINTR or Errno.EAGAIN or Errno.EBUSY))
            {
                Session.Log(FuseLogLevel.Error, $"io_uring of CPU {Cpu} failed with {errno}; the connection is aborted.");
                Session.Abort();
                return;
            }
            while (ring.TryTake(out IoUringCompletion completion)) Take(ring, completion);
            Counters.SetAllocated(GC.GetAllocatedBytesForCurrentThread() - start);
        }
    }

    void Take(IoUring ring, in IoUringCompletion completion)
    {
        if (completion.UserData == WakeUp)
        {
            CommitPosted();
            ReadWakeUp(ring);
            return;
        }
        int entry = (int)completion.UserData;
        if (completion.Result == 0)
        {
            TakeRequest(entry);
            return;
        }
        _live--;
        Errno errno = (Errno)(-completion.Result);
        // ENOTCONN, ECONNABORTED, ECANCELED: the connection ended. The device's reader learns the same and stops this thread.
        if (errno is Errno.ENOTCONN or Errno.ECONNABORTED or Errno.ECANCELED or Errno.ENODEV) return;
        if (!_registered.Task.IsCompleted) return; // Refused from the start: counted by who waits for it.
        Session.Log(FuseLogLevel.Error, $"The kernel gave up entry {entry} of queue {Cpu} with {errno}; {_live} of {_queue.Entries} are left.");
        if (_live == 0) Session.Abort();
    }

    void TakeRequest(int entry)
    {
        ref FuseUringReqHeader header = ref _queue.Header(entry);
        FuseInHeader request = MemoryMarshal.Read<FuseInHeader>(header.InOut);
        _commitIds[entry] = header.Entry.CommitId;
        int fixedSize = FuseOperations.FixedSizeOf(request.Opcode);
        // Names lie where the answer will be built: a handler must be able to read one while it writes the other.
        int length = (int)Math.Min(header.Entry.PayloadSz, (uint)_queue.Payload(entry).Length);
        if (length > _rest.Length) _rest = new byte[length];
        _queue.Payload(entry).GetSpan()[..length].CopyTo(_rest);
        Handle(request, entry, ((ReadOnlySpan<byte>)header.OpIn)[..fixedSize], _rest.AsSpan(0, length));
    }

    void RegisterEntries(IoUring ring)
    {
        for (int entry = 0; entry < _queue.Entries; entry++)
        {
            ref IoUringSubmission submission = ref PrepareCommand(ring, FuseUringCommand.Register, entry);
            submission.Address = (nint)_queue.Vectors(entry);
            submission.Length = 2;
        }
        _live = _queue.Entries;
        if (ring.Enter(wanted: 0) != Errno.None) _live = 0;
        // A refusal completes at once. An entry that has a request already is served here, before the loop.
        while (ring.TryTake(out IoUringCompletion completion)) Take(ring, completion);
        _registered.SetResult(_live);
    }

    void Commit(int entry)
    {
        ref IoUringSubmission submission = ref PrepareCommand(_ring!, FuseUringCommand.CommitAndFetch, entry);
        submission.FuseCommand.CommitId = _commitIds[entry];
    }

    ref IoUringSubmission PrepareCommand(IoUring ring, FuseUringCommand command, int entry)
    {
        ref IoUringSubmission submission = ref ring.Prepare();
        submission.Code = IoUring.CommandCode;
        submission.Descriptor = _device.Descriptor;
        submission.Command = (uint)command;
        submission.UserData = (ulong)entry;
        submission.FuseCommand.QId = (ushort)Cpu;
        return ref submission;
    }

    void ReadWakeUp(IoUring ring)
    {
        ref IoUringSubmission submission = ref ring.Prepare();
        submission.Code = IoUring.ReadCode;
        submission.Descriptor = (int)_wakeUp.DangerousGetHandle();
        submission.Offset = ulong.MaxValue;
        submission.Address = Marshal.UnsafeAddrOfPinnedArrayElement(_wakeUpCount, 0);
        submission.Length = sizeof(ulong);
        submission.UserData = WakeUp;
    }

    bool Post(int entry)
    {
        lock (_lock)
        {
            if (_ended) return false;
            _posted[_postedCount++] = entry;
            if (_postedCount > 1) return true; // The wake-up for the first one is under way.
        }
        Wake();
        return true;
    }

    void CommitPosted()
    {
        Span<int> entries = stackalloc int[_posted.Length];
        lock (_lock)
        {
            entries = entries[.._postedCount];
            _posted.AsSpan(0, _postedCount).CopyTo(entries);
            _postedCount = 0;
        }
        foreach (int entry in entries) Commit(entry);
    }

    void Wake()
    {
        ulong one = 1;
        bool held = false;
        try
        {
            _wakeUp.DangerousAddRef(ref held);
            // Safe: eight bytes of the stack.
            Libc.Write((int)_wakeUp.DangerousGetHandle(), (byte*)&one, sizeof(ulong));
        }
        catch (ObjectDisposedException)
        {
            // The thread is gone: nobody to wake.
        }
        finally
        {
            if (held) _wakeUp.DangerousRelease();
        }
    }

    void PinToCpu()
    {
        const int size = 1024; // 8192 CPUs, the most that Linux can have.
        byte* mask = stackalloc byte[size];
        new Span<byte>(mask, size).Clear();
        mask[Cpu / 8] |= (byte)(1 << (Cpu % 8));
        // Safe: the mask lives on the stack. Refused for a CPU that is offline or outside our cpuset: then the thread floats.
        _ = Libc.SetAffinity(0, size, mask);
    }
}
