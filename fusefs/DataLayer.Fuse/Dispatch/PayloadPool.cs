using System.Numerics;

namespace DataLayer.Fuse;

/// <summary>
/// Bounded memory for the payloads of deferred requests: pinned arrays in powers of two, from 16 KiB to the largest read.
/// Thread-safe.
/// </summary>
/// <remarks>
/// When the bound is reached <see cref="Rent"/> waits for a return. That cannot deadlock as long as holders have their bytes
/// at hand (each holds one buffer and waits for none), and a holder that breaks this rule only delays: after
/// <see cref="LongestWait"/> the bound is exceeded, with a warning, rather than failing a read.
/// </remarks>
sealed class PayloadPool(int limit, int largest, Action<FuseLogLevel, string> log)
{
    const int SmallestShift = 14;

    /// <summary>Far above the milliseconds a holder needs to copy and answer, far below any caller's patience.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly AutoResetEvent _returned = new(false);
    readonly Stack<byte[]>[] _free = CreateClasses(largest);
    long _total;
    long _held;
    long _waits;

    /// <summary>Bytes rented now.</summary>
    public long Held => Volatile.Read(ref _held);

    public long Waits => Volatile.Read(ref _waits);

    /// <summary>A pinned array of at least <paramref name="size"/> bytes, its content undefined.</summary>
    public byte[] Rent(int size)
    {
        int index = ClassOf(size);
        if (TryRent(index, exceed: false) is { } buffer) return buffer;
        Interlocked.Increment(ref _waits);
        long deadline = Environment.TickCount64 + (long)LongestWait.TotalMilliseconds;
        while (true)
        {
            long left = deadline - Environment.TickCount64;
            bool exceed = left <= 0;
            if (exceed) log(FuseLogLevel.Warning, $"Payload memory ({limit >> 20} MiB) was exhausted for {LongestWait.TotalSeconds:0} s; exceeding it by {size} bytes.");
            else _returned.WaitOne((int)left);
            if (TryRent(index, exceed) is not { } late) continue;
            _returned.Set(); // One return may have made room for several smaller ones.
            return late;
        }
    }

    public void Return(byte[] buffer)
    {
        lock (_lock)
        {
            _held -= buffer.Length;
            if (_total > limit) _total -= buffer.Length;
            else _free[ClassOf(buffer.Length)].Push(buffer);
        }
        _returned.Set();
    }

    /// <summary>Gives up a buffer that somebody may still write to: the garbage collector frees it when nobody can.</summary>
    public void Forget(byte[] buffer)
    {
        lock (_lock)
        {
            _held -= buffer.Length;
            _total -= buffer.Length;
        }
        _returned.Set();
    }

    byte[]? TryRent(int index, bool exceed)
    {
        int length = 1 << (index + SmallestShift);
        lock (_lock)
        {
            if (!_free[index].TryPop(out byte[]? buffer))
            {
                // Room may be held by free buffers of other sizes.
                for (int other = _free.Length - 1; other >= 0 && _total + length > limit; other--)
                {
                    while (_total + length > limit && _free[other].TryPop(out byte[]? unused)) _total -= unused.Length;
                }
                if (_total + length > limit && !exceed) return null;
                buffer = GC.AllocateUninitializedArray<byte>(length, pinned: true);
                _total += length;
            }
            _held += length;
            return buffer;
        }
    }

    int ClassOf(int size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        int shift = Math.Max(SmallestShift, BitOperations.Log2((uint)Math.Max(1, size - 1)) + 1);
        if (shift - SmallestShift >= _free.Length) throw new ArgumentOutOfRangeException(nameof(size), size, "Larger than the largest read.");
        return shift - SmallestShift;
    }

    static Stack<byte[]>[] CreateClasses(int largest)
    {
        int count = Math.Max(1, BitOperations.Log2((uint)largest - 1) + 1 - SmallestShift + 1);
        Stack<byte[]>[] classes = new Stack<byte[]>[count];
        for (int i = 0; i < count; i++) classes[i] = new Stack<byte[]>();
        return classes;
    }
}
