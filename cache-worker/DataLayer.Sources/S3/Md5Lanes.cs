using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DataLayer.Sources.S3;

/// <summary>One body to hash; <see cref="Finish"/> is called with its MD5, on the hashing thread.</summary>
internal abstract class Md5Job(ReadOnlyMemory<byte> body)
{
    public ReadOnlyMemory<byte> Body => body;

    public abstract void Finish(ReadOnlySpan<byte> md5);
}

/// <summary>
/// MD5 of eight bodies at once, one per 32-bit lane of AVX2. MD5 is one long chain of dependent steps, so a processor is
/// mostly waiting when it hashes one: the library's takes 140 µs of a core for 112 KB, which is more than all the rest of
/// a GET. Eight together take twice as long as one: 37 µs each.
/// </summary>
internal static unsafe class Md5Lanes
{
    const int Lanes = 8;
    const int BlockSize = 64;

    public static bool IsSupported => Avx2.IsSupported;

    struct Lane
    {
        public Md5Job? Job;
        public MemoryHandle Pin;
        public byte* At;
        public int Blocks;
        public bool IsTail;
    }

    /// <summary>Hashes what the queue holds and what comes meanwhile; returns when it is empty.</summary>
    public static void Run(Func<Md5Job?> next)
    {
        Span<Lane> lanes = new Lane[Lanes];
        // Word-major: a0…a7, b0…b7, c0…c7, d0…d7.
        uint* state = stackalloc uint[4 * Lanes];
        byte* tails = stackalloc byte[Lanes * 2 * BlockSize];
        byte** at = stackalloc byte*[Lanes];
        nint* stride = stackalloc nint[Lanes];
        while (true)
        {
            int blocks = int.MaxValue, active = 0;
            for (int i = 0; i < Lanes; i++)
            {
                if (lanes[i].Job is null && next() is { } job) Begin(ref lanes[i], job, state + i, tails + i * 2 * BlockSize);
                bool idle = lanes[i].Job is null;
                // An idle lane hashes its tail buffer over and over.
                at[i] = idle ? tails + i * 2 * BlockSize : lanes[i].At;
                stride[i] = idle ? 0 : BlockSize;
                if (idle) continue;
                active++;
                blocks = Math.Min(blocks, lanes[i].Blocks);
            }
            if (active == 0) return;
            Advance(state, at, stride, blocks);
            for (int i = 0; i < Lanes; i++)
            {
                if (lanes[i].Job is null) continue;
                lanes[i].At = at[i];
                lanes[i].Blocks -= blocks;
                if (lanes[i].Blocks > 0) continue;
                if (lanes[i].IsTail) End(ref lanes[i], state + i);
                else BeginTail(ref lanes[i], tails + i * 2 * BlockSize);
            }
        }
    }

    static void Begin(ref Lane lane, Md5Job job, uint* state, byte* tail)
    {
        // RFC 1321, 3.3.
        state[0] = 0x67452301;
        state[Lanes] = 0xefcdab89;
        state[2 * Lanes] = 0x98badcfe;
        state[3 * Lanes] = 0x10325476;
        lane.Job = job;
        lane.Pin = job.Body.Pin();
        lane.At = (byte*)lane.Pin.Pointer;
        lane.Blocks = job.Body.Length / BlockSize;
        lane.IsTail = false;
        if (lane.Blocks == 0) BeginTail(ref lane, tail);
    }

    /// <summary>The rest of the body, a 1 bit, zeros, and the length in bits, in one block or two (RFC 1321, 3.1 and 3.2).</summary>
    static void BeginTail(ref Lane lane, byte* tail)
    {
        int length = lane.Job!.Body.Length, rest = length % BlockSize;
        lane.Blocks = rest < BlockSize - 8 ? 1 : 2;
        // Safety: a lane's tail buffer has two blocks, and At points at the last rest bytes of the pinned body.
        Span<byte> bytes = new(tail, lane.Blocks * BlockSize);
        bytes.Clear();
        new ReadOnlySpan<byte>(lane.At, rest).CopyTo(bytes);
        bytes[rest] = 0x80;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[^8..], (ulong)length * 8);
        lane.At = tail;
        lane.IsTail = true;
    }

    static void End(ref Lane lane, uint* state)
    {
        Span<byte> md5 = stackalloc byte[16];
        for (int word = 0; word < 4; word++) BinaryPrimitives.WriteUInt32LittleEndian(md5[(4 * word)..], state[word * Lanes]);
        Md5Job job = lane.Job!;
        lane.Pin.Dispose();
        lane = default;
        job.Finish(md5);
    }

    static ReadOnlySpan<uint> Sines =>
    [
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
    ];

    /// <summary>Takes every lane forward by as many blocks; <paramref name="at"/> moves along.</summary>
    [SkipLocalsInit]
    static void Advance(uint* state, byte** at, nint* stride, int blocks)
    {
        Vector256<uint> a = Vector256.Load(state), b = Vector256.Load(state + Lanes), c = Vector256.Load(state + 2 * Lanes), d = Vector256.Load(state + 3 * Lanes);
        Vector256<uint>* w = stackalloc Vector256<uint>[16];
        ReadOnlySpan<uint> k = Sines;
        for (; blocks > 0; blocks--)
        {
            // Safety: every lane points at a whole block: of its pinned body, or of its tail buffer.
            Transpose(at, 0, w);
            Transpose(at, 32, w + 8);
            for (int i = 0; i < Lanes; i++) at[i] += stride[i];

            Vector256<uint> a0 = a, b0 = b, c0 = c, d0 = d;
            // The word and the constant are added first: what waits for the step before comes last.
            for (int i = 0; i < 16; i += 4)
            {
                a = b + Rotate(a + (w[i] + Vector256.Create(k[i])) + (d ^ (b & (c ^ d))), 7);
                d = a + Rotate(d + (w[i + 1] + Vector256.Create(k[i + 1])) + (c ^ (a & (b ^ c))), 12);
                c = d + Rotate(c + (w[i + 2] + Vector256.Create(k[i + 2])) + (b ^ (d & (a ^ b))), 17);
                b = c + Rotate(b + (w[i + 3] + Vector256.Create(k[i + 3])) + (a ^ (c & (d ^ a))), 22);
            }
            for (int i = 16; i < 32; i += 4)
            {
                a = b + Rotate(a + (w[(5 * i + 1) & 15] + Vector256.Create(k[i])) + (c ^ (d & (b ^ c))), 5);
                d = a + Rotate(d + (w[(5 * i + 6) & 15] + Vector256.Create(k[i + 1])) + (b ^ (c & (a ^ b))), 9);
                c = d + Rotate(c + (w[(5 * i + 11) & 15] + Vector256.Create(k[i + 2])) + (a ^ (b & (d ^ a))), 14);
                b = c + Rotate(b + (w[(5 * i + 16) & 15] + Vector256.Create(k[i + 3])) + (d ^ (a & (c ^ d))), 20);
            }
            for (int i = 32; i < 48; i += 4)
            {
                a = b + Rotate(a + (w[(3 * i + 5) & 15] + Vector256.Create(k[i])) + (b ^ c ^ d), 4);
                d = a + Rotate(d + (w[(3 * i + 8) & 15] + Vector256.Create(k[i + 1])) + (a ^ b ^ c), 11);
                c = d + Rotate(c + (w[(3 * i + 11) & 15] + Vector256.Create(k[i + 2])) + (d ^ a ^ b), 16);
                b = c + Rotate(b + (w[(3 * i + 14) & 15] + Vector256.Create(k[i + 3])) + (c ^ d ^ a), 23);
            }
            for (int i = 48; i < 64; i += 4)
            {
                a = b + Rotate(a + (w[(7 * i) & 15] + Vector256.Create(k[i])) + (c ^ (b | ~d)), 6);
                d = a + Rotate(d + (w[(7 * i + 7) & 15] + Vector256.Create(k[i + 1])) + (b ^ (a | ~c)), 10);
                c = d + Rotate(c + (w[(7 * i + 14) & 15] + Vector256.Create(k[i + 2])) + (a ^ (d | ~b)), 15);
                b = c + Rotate(b + (w[(7 * i + 21) & 15] + Vector256.Create(k[i + 3])) + (d ^ (c | ~a)), 21);
            }
            a += a0;
            b += b0;
            c += c0;
            d += d0;
        }
        a.Store(state);
        b.Store(state + Lanes);
        c.Store(state + 2 * Lanes);
        d.Store(state + 3 * Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<uint> Rotate(Vector256<uint> value, [ConstantExpected] byte count) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateLeft(value, count) : (value << count) | (value >>> (32 - count));

    /// <summary>Words <paramref name="offset"/>/4 to +7 of the lanes' blocks, one vector per word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Transpose(byte** at, int offset, Vector256<uint>* words)
    {
        Vector256<uint> r0 = Load(at, 0, offset), r1 = Load(at, 1, offset), r2 = Load(at, 2, offset), r3 = Load(at, 3, offset);
        Vector256<uint> r4 = Load(at, 4, offset), r5 = Load(at, 5, offset), r6 = Load(at, 6, offset), r7 = Load(at, 7, offset);
        Vector256<ulong> low01 = Avx2.UnpackLow(r0, r1).AsUInt64(), high01 = Avx2.UnpackHigh(r0, r1).AsUInt64();
        Vector256<ulong> low23 = Avx2.UnpackLow(r2, r3).AsUInt64(), high23 = Avx2.UnpackHigh(r2, r3).AsUInt64();
        Vector256<ulong> low45 = Avx2.UnpackLow(r4, r5).AsUInt64(), high45 = Avx2.UnpackHigh(r4, r5).AsUInt64();
        Vector256<ulong> low67 = Avx2.UnpackLow(r6, r7).AsUInt64(), high67 = Avx2.UnpackHigh(r6, r7).AsUInt64();
        Pair(Avx2.UnpackLow(low01, low23), Avx2.UnpackLow(low45, low67), words, 0);
        Pair(Avx2.UnpackHigh(low01, low23), Avx2.UnpackHigh(low45, low67), words, 1);
        Pair(Avx2.UnpackLow(high01, high23), Avx2.UnpackLow(high45, high67), words, 2);
        Pair(Avx2.UnpackHigh(high01, high23), Avx2.UnpackHigh(high45, high67), words, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<uint> Load(byte** at, int lane, int offset) => Vector256.Load((uint*)(at[lane] + offset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Pair(Vector256<ulong> left, Vector256<ulong> right, Vector256<uint>* words, int word)
    {
        words[word] = Avx2.Permute2x128(left, right, 0x20).AsUInt32();
        words[word + 4] = Avx2.Permute2x128(left, right, 0x31).AsUInt32();
    }
}
