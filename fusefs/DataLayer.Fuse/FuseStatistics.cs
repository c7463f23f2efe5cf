namespace DataLayer.Fuse;

/// <summary>Sums over all threads of a connection since it began.</summary>
/// <param name="Requests">Requests by opcode, indexed by <see cref="FuseOpcode"/>; opcodes that we do not know count at 0.</param>
/// <param name="Errors">Answers with an error other than ENOENT, ENOSYS, ENODATA and EROFS, which are normal.</param>
/// <param name="Unanswered">Requests that a handler left or threw on; each was answered with EIO and logged.</param>
/// <param name="Deferred">Requests answered after their handler returned.</param>
/// <param name="Pending">Deferred requests without an answer now.</param>
/// <param name="BytesSent">Bytes of data in answers, headers not counted.</param>
/// <param name="PayloadBytesHeld">Pool bytes held by deferred requests now.</param>
/// <param name="PayloadWaits">How often a deferred request had to wait for the pool.</param>
/// <param name="AllocatedBytes">Garbage made by the transport's threads in handlers and in the library.</param>
public sealed record FuseStatistics(
    IReadOnlyList<long> Requests,
    long Errors,
    long Unanswered,
    long Deferred,
    long Pending,
    long BytesSent,
    long PayloadBytesHeld,
    long PayloadWaits,
    long AllocatedBytes)
{
    public long this[FuseOpcode opcode] => (int)opcode < Requests.Count ? Requests[(int)opcode] : 0;

    public long Total => Requests.Sum();
}
