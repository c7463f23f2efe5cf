using System.Buffers;
using System.Numerics;

namespace DataLayer.Cache;

/// <summary>
/// The memory that bytes pass through on their way from a source, and the hard bound on it. Sizes are powers of two from
/// 16 KiB; memory is mapped outside the managed heap, kept for re-use and given back when another size needs the room.
/// Background work may use three quarters only, so that a reader who waits never waits for memory behind it.
/// </summary>
internal sealed class FetchBuffers(long budget) : IDisposable
{
    const int SmallestShift = 14;

    readonly Lock _gate = new();
    readonly Stack<FetchBuffer>[] _free = [.. Enumerable.Range(0, 32 - SmallestShift).Select(_ => new Stack<FetchBuffer>())];
    long _rented, _rentedByCopies, _kept;
    bool _disposed;

    /// <summary>Memory came back: who was refused may try again. Called outside any lock of this type.</summary>
    public event Action? Released;

    public long Rented => Interlocked.Read(ref _rented);
    public long Budget => budget;

    /// <summary>A buffer of at least <paramref name="length"/> bytes or null while there is no room.</summary>
    /// <param name="copies">For a fetch that may end up waiting for one of this process's home lane: those together leave half of the budget to it, or each could wait for the other's memory.</param>
    public FetchBuffer? TryRent(int length, bool background, bool copies = false)
    {
        int shift = Math.Max(SmallestShift, BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, length))));
        if (shift > 30) throw new ArgumentOutOfRangeException(nameof(length), length, "a unit above 1 GiB");
        long size = 1L << shift;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // A unit beyond the whole budget (a layout with huge packed files) goes alone instead of never.
            if (_rented + size > (background ? budget / 4 * 3 : budget) && _rented > 0) return null;
            if (copies && _rentedByCopies + size > budget / 2 && _rentedByCopies > 0) return null;
            _rented += size;
            if (copies) _rentedByCopies += size;
            if (_free[shift - SmallestShift].TryPop(out FetchBuffer? kept))
            {
                _kept -= size;
                kept.IsForCopies = copies;
                return kept;
            }
            for (int i = _free.Length - 1; i >= 0 && _rented + _kept > budget; i--)
            {
                while (_rented + _kept > budget && _free[i].TryPop(out FetchBuffer? other))
                {
                    _kept -= other.Capacity;
                    other.Unmap();
                }
            }
        }
        return new FetchBuffer(this, (int)size) { IsForCopies = copies };
    }

    internal void Return(FetchBuffer buffer)
    {
        lock (_gate)
        {
            _rented -= buffer.Capacity;
            if (buffer.IsForCopies) _rentedByCopies -= buffer.Capacity;
            if (_disposed || _rented + _kept + buffer.Capacity > budget) buffer.Unmap();
            else
            {
                _kept += buffer.Capacity;
                _free[BitOperations.Log2((uint)buffer.Capacity) - SmallestShift].Push(buffer);
            }
        }
        Released?.Invoke();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (Stack<FetchBuffer> free in _free)
                while (free.TryPop(out FetchBuffer? buffer)) buffer.Unmap();
            _kept = 0;
        }
    }
}

/// <summary>Mapped memory outside the managed heap, owned by one <see cref="Fetch"/> at a time.</summary>
internal sealed unsafe class FetchBuffer : MemoryManager<byte>
{
    readonly FetchBuffers _owner;
    byte* _memory;

    internal FetchBuffer(FetchBuffers owner, int capacity)
    {
        void* memory = Libc.MMap(null, (nuint)capacity, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        if ((nint)memory == -1) throw new OutOfMemoryException($"mmap of {capacity} bytes: {Libc.Describe(Libc.LastError)}");
        _owner = owner;
        _memory = (byte*)memory;
        Capacity = capacity;
    }

    public int Capacity { get; }

    public bool IsForCopies { get; set; }

    public void Return() => _owner.Return(this);

    internal void Unmap()
    {
        Libc.MUnmap(_memory, (nuint)Capacity);
        _memory = null;
    }

    // Safe: the mapping is Capacity bytes from rent to return, and a returned buffer is used by nobody but the pool.
    public override Span<byte> GetSpan() => new(_memory, _memory == null ? 0 : Capacity);
    public override MemoryHandle Pin(int elementIndex = 0) => new(_memory + elementIndex);
    public override void Unpin() { }
    protected override void Dispose(bool disposing) { }
}
