using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace DataLayer.Sources.S3;

/// <summary>
/// Hashes bodies, together when several are there. One thread hashes at a time: a body that comes when nobody does is
/// hashed by who brings it, at once; those that come meanwhile wait and are hashed in lanes. So a single reader waits for
/// nothing, and a crowd pays little. Safe for concurrent use.
/// </summary>
internal sealed class Md5Queue : IThreadPoolWorkItem
{
    /// <summary>A larger body is hashed by who brings it: it would hold up the small ones for milliseconds.</summary>
    const int Limit = 1 << 20;

    readonly ConcurrentQueue<Job> _waiting = new();
    readonly Func<Md5Job?> _next;
    int _hashing;

    public Md5Queue() => _next = () => _waiting.TryDequeue(out Job? job) ? job : null;

    public ValueTask<UInt128> HashAsync(ReadOnlyMemory<byte> body)
    {
        bool alone = !Md5Lanes.IsSupported || body.Length > Limit;
        if (alone || TryBegin())
        {
            try
            {
                return new ValueTask<UInt128>(Hash(body.Span));
            }
            finally
            {
                if (!alone) End();
            }
        }
        Job job = new(body);
        _waiting.Enqueue(job);
        StartIfNobodyHashes();
        return new ValueTask<UInt128>(job.Result);
    }

    /// <summary>Big-endian, so that it reads as the hex digits do.</summary>
    static UInt128 Hash(ReadOnlySpan<byte> body)
    {
        Span<byte> md5 = stackalloc byte[16];
        MD5.HashData(body, md5);
        return BinaryPrimitives.ReadUInt128BigEndian(md5);
    }

    bool TryBegin() => Interlocked.CompareExchange(ref _hashing, 1, 0) == 0;

    void End()
    {
        Volatile.Write(ref _hashing, 0);
        // The queue is looked at only after the flag is visibly down: who enqueues looks at them in the other order.
        Interlocked.MemoryBarrier();
        StartIfNobodyHashes();
    }

    void StartIfNobodyHashes()
    {
        if (!_waiting.IsEmpty && TryBegin()) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (_waiting.Count == 1 && _waiting.TryDequeue(out Job? only)) only.Finish(Hash(only.Body.Span));
        else Md5Lanes.Run(_next);
        End();
    }

    sealed class Job(ReadOnlyMemory<byte> body) : Md5Job(body)
    {
        readonly TaskCompletionSource<UInt128> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<UInt128> Result => _result.Task;

        public void Finish(UInt128 md5) => _result.SetResult(md5);

        public override void Finish(ReadOnlySpan<byte> md5) => Finish(BinaryPrimitives.ReadUInt128BigEndian(md5));
    }
}
