using System.Numerics;
using System.Runtime.InteropServices;

namespace DataLayer.Formats;

/// <summary>
/// CRC-32C (Castagnoli), the checksum of everything we store: the one ext4, btrfs and S3 offer, and the one x86-64 and
/// ARMv8 compute in hardware.
/// </summary>
public static class Crc32C
{
    /// <summary>The CRC of <paramref name="data"/> appended to data whose CRC is <paramref name="crc"/> (0 for none).</summary>
    public static uint Compute(ReadOnlySpan<byte> data, uint crc = 0)
    {
        crc = ~crc;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words) crc = BitOperations.Crc32C(crc, word);
        foreach (byte b in data[(words.Length * sizeof(ulong))..]) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}
