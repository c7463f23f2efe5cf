using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// Receives replies from a connection's socket, puts fragments together (RFC 5531, section 11) and hands whole records to
/// libnfs. libnfs does not receive itself, because it trusts what it gets: the length of a reply's verifier is added to a
/// signed position without a check (lib/libnfs-zdr.c: zdr_bytes), so that four bytes from a hostile server make it read
/// far outside its buffer and end the process, and fragments pile up without limit. Used by one thread.
/// </summary>
internal sealed unsafe partial class RecordReader : IDisposable
{
    /// <summary>The largest read and what stands around it.</summary>
    const int RecordLimit = Libnfs.MaxTransfer + 64 * 1024;

    /// <summary>Takes many small replies at once; the rest of a large one is received right behind its beginning.</summary>
    const int Chunk = 64 * 1024;

    const int MarkSize = 4;
    const uint LastFragment = 0x80000000;

    byte* _buffer = (byte*)NativeMemory.Alloc(Chunk);
    int _capacity = Chunk;
    int _filled;

    /// <summary>End of the fragments of the first record that have been joined so far; 0 when it came, or comes, in one.</summary>
    int _joined;

    public enum Outcome
    {
        /// <summary>All that was there has been handled.</summary>
        Waiting,

        /// <summary>The server hung up, or the connection broke.</summary>
        Ended,

        /// <summary>The server sent what is no reply.</summary>
        Nonsense,
    }

    /// <summary>Handles what has arrived, without waiting.</summary>
    /// <param name="handle">Gets one record, with its mark, as libnfs wants it; false when libnfs rejects it.</param>
    public Outcome Receive(int socket, Func<nint, int, bool> handle)
    {
        const int MSG_DONTWAIT = 0x40, EINTR = 4, EAGAIN = 11;
        while (true)
        {
            int wanted = Math.Max(Missing(), Chunk);
            if (_capacity - _filled < wanted && !Grow(_filled + wanted)) return Outcome.Nonsense;
            int room = Missing() is > 0 and int missing ? missing : Chunk;
            // Safety: room bytes are free behind the filled part.
            nint got = recv(socket, _buffer + _filled, (nuint)room, MSG_DONTWAIT);
            if (got == 0) return Outcome.Ended;
            if (got < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno == EINTR) continue;
                return errno == EAGAIN ? Outcome.Waiting : Outcome.Ended;
            }
            _filled += (int)got;
            if (!HandleRecords(handle)) return Outcome.Nonsense;
            // A short answer to a large question: most likely there is nothing more, and poll tells when there is.
            if (got < room) return Outcome.Waiting;
        }
    }

    /// <summary>Bytes that the fragment under way still lacks; 0 when its mark is not here yet.</summary>
    int Missing()
    {
        int start = _joined;
        if (_filled - start < MarkSize) return 0;
        return start + MarkSize + Length(start) - _filled;
    }

    /// <summary>Of the fragment whose mark is at <paramref name="start"/>, without the mark.</summary>
    int Length(int start) => (int)(Mark(start) & ~LastFragment);

    uint Mark(int start) => BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(_buffer + start, MarkSize));

    bool HandleRecords(Func<nint, int, bool> handle)
    {
        int at = 0;
        while (true)
        {
            int start = at + _joined;
            if (_filled - start < MarkSize) break;
            int length = Length(start);
            if (_joined + (long)length + MarkSize > RecordLimit) return false;
            if (_filled - start - MarkSize < length) break;
            bool last = (Mark(start) & LastFragment) != 0;
            int end = start + MarkSize + length;
            if (_joined > 0)
            {
                // Over the second fragment's mark: the record gets one mark, its first.
                new Span<byte>(_buffer + start + MarkSize, _filled - start - MarkSize).CopyTo(new Span<byte>(_buffer + start, _filled - start - MarkSize));
                _filled -= MarkSize;
                end -= MarkSize;
            }
            if (!last)
            {
                _joined = end - at;
                continue;
            }
            int size = end - at;
            BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(_buffer + at, MarkSize), LastFragment | (uint)(size - MarkSize));
            if (!IsSoundReply(new ReadOnlySpan<byte>(_buffer + at + MarkSize, size - MarkSize)) || !handle((nint)(_buffer + at), size)) return false;
            at = end;
            _joined = 0;
        }
        if (at > 0)
        {
            new Span<byte>(_buffer + at, _filled - at).CopyTo(new Span<byte>(_buffer, _filled - at));
            _filled -= at;
        }
        return true;
    }

    /// <summary>What libnfs reads before it calls our decoder: xid, type, status, verifier (RFC 5531, section 9).</summary>
    static bool IsSoundReply(ReadOnlySpan<byte> record)
    {
        const uint Reply = 1, Accepted = 0;
        const int VerifierLimit = 400;
        try
        {
            XdrReader reader = new(record);
            reader.Skip(4);
            if (reader.ReadUInt32() != Reply) return false;
            if (reader.ReadUInt32() != Accepted) return true;
            reader.Skip(4);
            _ = reader.ReadOpaque(VerifierLimit);
            return true;
        }
        catch (XdrException)
        {
            return false;
        }
    }

    bool Grow(int capacity)
    {
        if (capacity > RecordLimit + 2 * Chunk) return false;
        capacity = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)capacity);
        _buffer = (byte*)NativeMemory.Realloc(_buffer, (nuint)capacity);
        _capacity = capacity;
        return true;
    }

    public void Dispose()
    {
        NativeMemory.Free(_buffer);
        _buffer = null;
        _capacity = _filled = 0;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int socket, byte* buffer, nuint length, int flags);
}
