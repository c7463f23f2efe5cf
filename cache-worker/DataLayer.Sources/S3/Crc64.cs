using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DataLayer.Sources.S3;

/// <summary>
/// Reflected 64-bit CRCs with all-ones initial and final value: CRC-64/NVME, which S3 keeps for every object by default,
/// and CRC-64/XZ (the ECMA-182 polynomial), which OSS does. With carry-less multiplication 16 bytes are folded per step,
/// as in Intel's "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ"; else eight tables, 8 bytes per step.
/// </summary>
internal sealed class Crc64
{
    public static readonly Crc64 Nvme = new(0x9A6C9329AC4BC9B5);
    public static readonly Crc64 Xz = new(0xC96C5795D7870F42);

    readonly ulong[] _tables = new ulong[8 * 256];
    readonly Vector128<ulong> _fold64;
    readonly Vector128<ulong> _fold16;

    /// <param name="polynomial">Bit-reflected: bit 63 is the coefficient of x^0.</param>
    Crc64(ulong polynomial)
    {
        for (int i = 0; i < 256; i++)
        {
            ulong value = (ulong)i;
            for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) * polynomial);
            _tables[i] = value;
        }
        for (int i = 256; i < _tables.Length; i++) _tables[i] = (_tables[i - 256] >> 8) ^ _tables[(byte)_tables[i - 256]];

        // Reflected, the product of two 64-bit halves comes out one bit low, hence the exponents n - 1. The low half of a
        // 128-bit lane holds the higher powers.
        _fold16 = Vector128.Create(PowerOfX(128 + 64 - 1, polynomial), PowerOfX(128 - 1, polynomial));
        _fold64 = Vector128.Create(PowerOfX(512 + 64 - 1, polynomial), PowerOfX(512 - 1, polynomial));
    }

    /// <summary>x^n modulo the polynomial, reflected.</summary>
    static ulong PowerOfX(int n, ulong polynomial)
    {
        ulong value = 1UL << 63;
        for (int i = 0; i < n; i++) value = (value >> 1) ^ ((value & 1) * polynomial);
        return value;
    }

    public ulong Compute(ReadOnlySpan<byte> data)
    {
        ulong crc = ulong.MaxValue;
        if (Pclmulqdq.IsSupported && data.Length >= 128) crc = Fold(ref data);
        return ~ByTable(crc, data);
    }

    /// <summary>For tests: without carry-less multiplication.</summary>
    internal ulong ComputeByTable(ReadOnlySpan<byte> data) => ~ByTable(ulong.MaxValue, data);

    ulong ByTable(ulong crc, ReadOnlySpan<byte> data)
    {
        ulong[] t = _tables;
        for (; data.Length >= 8; data = data[8..])
        {
            crc ^= BinaryPrimitives.ReadUInt64LittleEndian(data);
            crc = t[7 * 256 + (byte)crc] ^ t[6 * 256 + (byte)(crc >> 8)] ^ t[5 * 256 + (byte)(crc >> 16)] ^ t[4 * 256 + (byte)(crc >> 24)]
                ^ t[3 * 256 + (byte)(crc >> 32)] ^ t[2 * 256 + (byte)(crc >> 40)] ^ t[256 + (byte)(crc >> 48)] ^ t[(byte)(crc >> 56)];
        }
        foreach (byte b in data) crc = t[(byte)(crc ^ b)] ^ (crc >> 8);
        return crc;
    }

    /// <summary>
    /// Reduces all whole 16-byte pieces to one of 16 bytes that has the same remainder, and that by table to the CRC so far.
    /// </summary>
    /// <param name="data">At least 128 bytes; after it the rest (under 16).</param>
    ulong Fold(ref ReadOnlySpan<byte> data)
    {
        Vector128<ulong> a = Load(data, 0) ^ Vector128.CreateScalar(ulong.MaxValue), b = Load(data, 16), c = Load(data, 32), d = Load(data, 48);
        data = data[64..];
        for (; data.Length >= 64; data = data[64..])
        {
            a = Step(a, _fold64) ^ Load(data, 0);
            b = Step(b, _fold64) ^ Load(data, 16);
            c = Step(c, _fold64) ^ Load(data, 32);
            d = Step(d, _fold64) ^ Load(data, 48);
        }
        a = Step(a, _fold16) ^ b;
        a = Step(a, _fold16) ^ c;
        a = Step(a, _fold16) ^ d;
        for (; data.Length >= 16; data = data[16..]) a = Step(a, _fold16) ^ Load(data, 0);

        Span<byte> last = stackalloc byte[16];
        a.AsByte().CopyTo(last);
        return ByTable(0, last);
    }

    static Vector128<ulong> Load(ReadOnlySpan<byte> data, int at) => Vector128.Create(data.Slice(at, 16)).AsUInt64();

    static Vector128<ulong> Step(Vector128<ulong> value, Vector128<ulong> fold) =>
        Pclmulqdq.CarrylessMultiply(value, fold, 0x00) ^ Pclmulqdq.CarrylessMultiply(value, fold, 0x11);
}
