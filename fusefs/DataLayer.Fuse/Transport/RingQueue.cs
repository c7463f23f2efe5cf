using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>
/// The memory of one queue of FUSE over io_uring: for each entry a header page and a payload. An entry belongs to the kernel
/// until its completion arrives, then to whoever answers the request in it, until the answer is committed.
/// </summary>
sealed unsafe class RingQueue : IDisposable
{
    const int HeaderSize = 4096;

    readonly MappedMemory _memory;
    readonly NativeMemoryBlock[] _payloads;

    RingQueue(MappedMemory memory, int entries, int payloadSize)
    {
        _memory = memory;
        _payloads = new NativeMemoryBlock[entries];
        // Safe: TryCreate mapped headers and payloads of all entries.
        byte* payload = (byte*)memory.Address + entries * HeaderSize;
        for (int i = 0; i < entries; i++) _payloads[i] = new NativeMemoryBlock(payload + (long)i * payloadSize, payloadSize);
    }

    public int Entries => _payloads.Length;

    /// <returns>Null when there is no memory for it. Payloads cost address space until they are used.</returns>
    public static RingQueue? TryCreate(int entries, int payloadSize)
    {
        nuint length = (nuint)entries * (nuint)(HeaderSize + payloadSize);
        MappedMemory? memory = MappedMemory.TryMap(length, MappedMemory.Private | MappedMemory.Anonymous | MappedMemory.NoReserve, -1, 0);
        return memory is null ? null : new RingQueue(memory, entries, payloadSize);
    }

    /// <summary>Safe for an entry that the caller owns, on a thread that keeps the queue alive.</summary>
    public ref FuseUringReqHeader Header(int entry) => ref *(FuseUringReqHeader*)(_memory.Address + entry * HeaderSize);

    public NativeMemoryBlock Payload(int entry) => _payloads[entry];

    /// <summary>Two iovecs, for the header and the payload of an entry, in the entry's own page behind its header.</summary>
    public IoVec* Vectors(int entry)
    {
        // Safe: the page has room behind the 288 bytes of the header.
        IoVec* vectors = (IoVec*)(_memory.Address + entry * HeaderSize + HeaderSize / 2);
        vectors[0] = new IoVec { Base = Unsafe.AsPointer(ref Header(entry)), Length = (nuint)sizeof(FuseUringReqHeader) };
        vectors[1] = new IoVec { Base = _payloads[entry].Start, Length = (nuint)_payloads[entry].Length };
        return vectors;
    }

    /// <summary>Writes an answer into an entry. Any thread that owns the entry.</summary>
    /// <returns>ENODEV when the queue is gone, EINVAL when the answer is larger than the payload.</returns>
    public Errno Fill(int entry, ulong unique, Errno error, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        if (!_memory.TryHold()) return Errno.ENODEV;
        try
        {
            Span<byte> payload = _payloads[entry].GetSpan();
            int length = head.Length + data.Length;
            Errno fit = length <= payload.Length ? Errno.None : Errno.EINVAL;
            if (fit == Errno.None)
            {
                head.CopyTo(payload);
                // Nothing is copied when the handler built the answer in place.
                if (!data.IsEmpty && !Unsafe.AreSame(ref MemoryMarshal.GetReference(data), ref payload[head.Length])) data.CopyTo(payload[head.Length..]);
            }
            else
            {
                (error, length) = (Errno.EIO, 0);
            }
            ref FuseUringReqHeader header = ref Header(entry);
            FuseOutHeader answer = new() { Len = (uint)(FuseOutHeader.Size + length), Error = -(int)error, Unique = unique };
            MemoryMarshal.Write(header.InOut, in answer);
            header.Entry.PayloadSz = (uint)length;
            return fit;
        }
        finally
        {
            _memory.DangerousRelease();
        }
    }

    public void Dispose() => _memory.Dispose();
}
