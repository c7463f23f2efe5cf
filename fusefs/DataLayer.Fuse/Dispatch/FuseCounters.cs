namespace DataLayer.Fuse;

/// <summary>Counts of one worker. Its own thread counts requests; answers may come from any thread.</summary>
sealed class FuseCounters
{
    const int Opcodes = 64;

    readonly long[] _requests = new long[Opcodes];
    long _errors;
    long _unanswered;
    long _bytesSent;
    long _allocated;

    public void CountRequest(uint opcode) => _requests[opcode < Opcodes ? opcode : 0]++;

    public void CountAnswer(Errno error, int bytes)
    {
        if (bytes > 0) Interlocked.Add(ref _bytesSent, bytes);
        if (error is Errno.None or Errno.ENOENT or Errno.ENOSYS or Errno.ENODATA or Errno.EROFS) return;
        Interlocked.Increment(ref _errors);
    }

    public void CountUnanswered() => Interlocked.Increment(ref _unanswered);

    /// <summary>Called by the worker's thread between requests.</summary>
    public void SetAllocated(long bytes) => Volatile.Write(ref _allocated, bytes);

    public static FuseStatistics Sum(IEnumerable<FuseCounters> all, long deferred, long pending, PayloadPool payloads)
    {
        long[] requests = new long[Opcodes];
        long errors = 0, unanswered = 0, bytesSent = 0, allocated = 0;
        foreach (FuseCounters counters in all)
        {
            for (int i = 0; i < Opcodes; i++) requests[i] += Volatile.Read(ref counters._requests[i]);
            errors += Volatile.Read(ref counters._errors);
            unanswered += Volatile.Read(ref counters._unanswered);
            bytesSent += Volatile.Read(ref counters._bytesSent);
            allocated += Volatile.Read(ref counters._allocated);
        }
        return new FuseStatistics(requests, errors, unanswered, deferred, pending, bytesSent, payloads.Held, payloads.Waits, allocated);
    }
}
