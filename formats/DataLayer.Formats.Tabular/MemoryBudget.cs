using System.Buffers;
using System.Numerics;

namespace DataLayer.Formats.Tabular;

/// <summary>
/// Pooled buffers of one open file, counted against a limit, so that a hostile length ends in an error and not in the
/// kernel's out-of-memory killer. One thread at a time.
/// </summary>
internal sealed class MemoryBudget(long limit)
{
    /// <summary>Readable bytes after every rented buffer's content, so that decoders may load 8 bytes at any of its bytes.</summary>
    public const int Slack = 8;

    long used;

    public long Limit => limit;

    public long Used => used;

    /// <summary>Whether <paramref name="bytes"/> more would be allowed.</summary>
    public bool Allows(long bytes) => bytes <= Array.MaxLength - Slack && used + Rounded(bytes) <= limit;

    /// <summary>At least <paramref name="bytes"/> plus <see cref="Slack"/> bytes of undefined content.</summary>
    public byte[] Rent(long bytes, FaultSite site)
    {
        if (bytes < 0) throw site.Corrupt($"a length of {bytes} bytes");
        if (!Allows(bytes))
        {
            throw site.Fault(TabularFault.MemoryLimit,
                $"{bytes} bytes more are needed, {used} are in use, and the limit is {limit}: raise MemoryLimit to read this file");
        }
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)bytes + Slack);
        used += buffer.Length;
        return buffer;
    }

    public void Return(byte[] buffer)
    {
        used -= buffer.Length;
        ArrayPool<byte>.Shared.Return(buffer);
    }

    // The shared pool hands out powers of two up to 1 GiB.
    static long Rounded(long bytes) =>
        bytes + Slack > 1 << 30 ? bytes + Slack : (long)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(16, bytes + Slack));
}
