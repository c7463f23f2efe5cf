using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// The least of io_uring that FUSE needs: one ring with 128-byte submissions, filled and entered by one thread only.
/// </summary>
sealed unsafe class IoUring : IDisposable
{
    public const byte ReadCode = 22;
    public const byte CommandCode = 46;

    // The same on all architectures.
    const nint SetupCall = 425;
    const nint EnterCall = 426;

    const uint SubmitAll = 1 << 7;
    const uint Submissions128 = 1 << 10;
    const uint SingleIssuer = 1 << 12;
    const uint DeferTaskRun = 1 << 13;

    const uint SingleMap = 1;
    const nint GetEvents = 1;
    const nint SubmissionsOffset = 0x1000_0000;

    readonly SafeFileHandle _ring;
    readonly int _descriptor;
    readonly MappedMemory _rings;
    readonly MappedMemory _submissions;
    readonly uint* _submissionTail;
    readonly uint _submissionMask;
    readonly uint* _completionHead;
    readonly uint* _completionTail;
    readonly uint _completionMask;
    readonly IoUringCompletion* _completions;
    uint _tail;
    uint _unsubmitted;

    IoUring(SafeFileHandle ring, MappedMemory rings, MappedMemory submissions, in IoUringParameters parameters)
    {
        _ring = ring;
        _descriptor = (int)ring.DangerousGetHandle();
        _rings = rings;
        _submissions = submissions;
        // Safe: the kernel gives offsets within the mapping it has just made.
        byte* start = (byte*)rings.Address;
        _submissionTail = (uint*)(start + parameters.SubmissionTail);
        _submissionMask = *(uint*)(start + parameters.SubmissionMask);
        _completionHead = (uint*)(start + parameters.CompletionHead);
        _completionTail = (uint*)(start + parameters.CompletionTail);
        _completionMask = *(uint*)(start + parameters.CompletionMask);
        _completions = (IoUringCompletion*)(start + parameters.Completions);
        _tail = *_submissionTail;
        // Slot i always refers to submission i.
        uint* array = (uint*)(start + parameters.SubmissionArray);
        for (uint i = 0; i < parameters.SubmissionEntries; i++) array[i] = i;
    }

    /// <summary>Makes a ring for the calling thread, the only one that may submit to it.</summary>
    /// <param name="entries">Submissions that can be waiting at once.</param>
    public static IoUring? TryCreate(int entries, out Errno errno)
    {
        // Deferred task work is done by the thread that waits for it instead of interrupting it: 6.1. Every kernel with FUSE
        // over io_uring (6.14) has it.
        IoUringParameters parameters = new() { Flags = SubmitAll | Submissions128 | SingleIssuer | DeferTaskRun };
        // Safe: the kernel fills the struct on the stack.
        int descriptor = (int)Libc.SystemCall(SetupCall, entries, (nint)(&parameters), 0, 0, 0, 0);
        errno = descriptor < 0 ? Libc.LastError : Errno.None;
        if (descriptor < 0) return null;
        SafeFileHandle ring = new(descriptor, ownsHandle: true);
        if ((parameters.Features & SingleMap) == 0) errno = Errno.ENOSYS;
        uint length = Math.Max(parameters.SubmissionArray + parameters.SubmissionEntries * sizeof(uint),
            parameters.Completions + parameters.CompletionEntries * (uint)sizeof(IoUringCompletion));
        MappedMemory? rings = MappedMemory.TryMap(length, MappedMemory.Shared | MappedMemory.Populate, descriptor, 0);
        if (rings is null) errno = Libc.LastError;
        MappedMemory? submissions = MappedMemory.TryMap(parameters.SubmissionEntries * (uint)sizeof(IoUringSubmission),
            MappedMemory.Shared | MappedMemory.Populate, descriptor, SubmissionsOffset);
        if (submissions is null) errno = Libc.LastError;
        if (errno == Errno.None) return new IoUring(ring, rings!, submissions!, parameters);
        submissions?.Dispose();
        rings?.Dispose();
        ring.Dispose();
        return null;
    }

    /// <summary>The next submission, cleared. The caller never has more of them waiting than the ring has entries.</summary>
    public ref IoUringSubmission Prepare()
    {
        // Safe: the mask keeps the index within the mapping.
        ref IoUringSubmission submission = ref ((IoUringSubmission*)_submissions.Address)[_tail++ & _submissionMask];
        submission = default;
        _unsubmitted++;
        return ref submission;
    }

    /// <summary>Submits what was prepared and waits until at least <paramref name="wanted"/> completions are there.</summary>
    public Errno Enter(int wanted)
    {
        Volatile.Write(ref *_submissionTail, _tail);
        nint submitted = Libc.SystemCall(EnterCall, _descriptor, (nint)_unsubmitted, wanted, GetEvents, 0, 0);
        if (submitted < 0) return Libc.LastError;
        _unsubmitted -= (uint)submitted;
        return Errno.None;
    }

    public bool TryTake(out IoUringCompletion completion)
    {
        uint head = *_completionHead; // Written by this thread only.
        completion = default;
        if (head == Volatile.Read(ref *_completionTail)) return false;
        completion = _completions[head & _completionMask];
        Volatile.Write(ref *_completionHead, head + 1);
        return true;
    }

    public void Dispose()
    {
        _ring.Dispose();
        _submissions.Dispose();
        _rings.Dispose();
    }
}

/// <summary><c>struct io_uring_sqe</c> with SQE128, as far as it is used: a read, or a command of /dev/fuse.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
struct IoUringSubmission
{
    [FieldOffset(0)] public byte Code;
    [FieldOffset(4)] public int Descriptor;
    [FieldOffset(8)] public uint Command;
    [FieldOffset(8)] public ulong Offset;
    [FieldOffset(16)] public nint Address;
    [FieldOffset(24)] public uint Length;
    [FieldOffset(32)] public ulong UserData;
    [FieldOffset(48)] public FuseUringCmdReq FuseCommand;
}

/// <summary><c>struct io_uring_cqe</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
struct IoUringCompletion
{
    public ulong UserData;
    /// <summary>Not negative, or a negative errno.</summary>
    public int Result;
    public uint Flags;
}

/// <summary><c>struct io_uring_params</c>, 120 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 120)]
struct IoUringParameters
{
    [FieldOffset(0)] public uint SubmissionEntries;
    [FieldOffset(4)] public uint CompletionEntries;
    [FieldOffset(8)] public uint Flags;
    [FieldOffset(20)] public uint Features;
    [FieldOffset(44)] public uint SubmissionTail;
    [FieldOffset(48)] public uint SubmissionMask;
    [FieldOffset(64)] public uint SubmissionArray;
    [FieldOffset(80)] public uint CompletionHead;
    [FieldOffset(84)] public uint CompletionTail;
    [FieldOffset(88)] public uint CompletionMask;
    [FieldOffset(100)] public uint Completions;
}
