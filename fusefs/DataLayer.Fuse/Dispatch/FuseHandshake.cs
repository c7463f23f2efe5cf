using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse;

/// <summary>INIT: what the kernel offers in, what we take out.</summary>
static class FuseHandshake
{
    public const int Major = 7;

    /// <summary>Requests carry little here (nobody may write): 4096 is the least the kernel accepts for max_write, and lets
    /// every request fit a buffer of 8 KiB.</summary>
    const int MaxWrite = 4096;

    /// <summary>INIT waits in the descriptor before mount(2) returns; only a broken descriptor makes this pass.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>FUSE_DEFAULT_MAX_PAGES_PER_REQ: what one request carries without the feature MaxPages.</summary>
    const int DefaultMaxPages = 32;

    /// <summary>
    /// What we use of an offer. NoOpenSupport, NoOpenDirSupport, HasExpireOnly and HasResend only say what the kernel can do.
    /// ExplicitInvalData: cached pages of an immutable file go only when we say so. No locks, no ACLs, no writing.
    /// </summary>
    const FuseFeatures Wanted =
        FuseFeatures.AsyncRead | FuseFeatures.DoReadDirPlus | FuseFeatures.ReadDirPlusAuto | FuseFeatures.AsyncDio |
        FuseFeatures.NoOpenSupport | FuseFeatures.NoOpenDirSupport | FuseFeatures.ParallelDirOps | FuseFeatures.AbortError |
        FuseFeatures.MaxPages | FuseFeatures.CacheSymlinks | FuseFeatures.ExplicitInvalData | FuseFeatures.InitExt |
        FuseFeatures.HasExpireOnly | FuseFeatures.HasResend | FuseFeatures.DirectIoAllowMmap | FuseFeatures.Passthrough |
        FuseFeatures.OverIoUring;

    /// <summary>Waits for an INIT of our major.</summary>
    public static FuseInitIn Receive(FuseDevice device, out ulong unique)
    {
        Span<byte> buffer = stackalloc byte[DeviceWorker.BufferSize];
        while (true)
        {
            if (!device.WaitReadable(Patience)) throw new FuseException("The kernel sent no INIT.", Errno.ETIMEDOUT);
            int length = device.Read(buffer, out Errno errno);
            if (length < 0 && errno is Errno.EINTR or Errno.EAGAIN) continue;
            if (length < 0) throw new FuseException($"Cannot read INIT: {errno}.", errno);
            if (!TryRead(buffer[..length], out FuseInHeader header, out FuseInitIn offer))
                throw new FuseException("The first message of the kernel is no INIT; is the descriptor in use already?", Errno.EPROTO);
            if (offer.Major < Major) throw new FuseException($"The kernel speaks FUSE {offer.Major}, which is too old.", Errno.EPROTO);
            unique = header.Unique;
            if (offer.Major == Major) return offer;
            // It repeats INIT with our major.
            Reply(device, unique, new FuseInitOut { Major = Major, Minor = FuseNegotiation.NewestMinor });
        }
    }

    public static void Reply(FuseDevice device, ulong unique, FuseInitOut answer)
    {
        ReadOnlySpan<byte> body = MemoryMarshal.AsBytes(new ReadOnlySpan<FuseInitOut>(in answer));
        FuseOutHeader header = new() { Len = (uint)(FuseOutHeader.Size + body.Length), Unique = unique };
        Errno errno = device.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)), body, default);
        if (errno != Errno.None) throw new FuseException($"The kernel refused our answer to INIT: {errno}.", errno);
    }

    /// <summary>Reads an INIT request.</summary>
    /// <returns>False if it is malformed.</returns>
    public static bool TryRead(ReadOnlySpan<byte> message, out FuseInHeader header, out FuseInitIn init)
    {
        header = default;
        init = default;
        if (message.Length < FuseInHeader.Size + FuseInitIn.ShortSize) return false;
        header = MemoryMarshal.Read<FuseInHeader>(message);
        if (header.Opcode != (uint)FuseOpcode.Init || header.Len != (uint)message.Length) return false;
        ReadOnlySpan<byte> body = message[FuseInHeader.Size..];
        body[..Math.Min(body.Length, Unsafe.SizeOf<FuseInitIn>())].CopyTo(MemoryMarshal.AsBytes(new Span<FuseInitIn>(ref init)));
        if ((init.Flags & (uint)FuseFeatures.InitExt) == 0) init.Flags2 = 0;
        return true;
    }

    /// <summary>Settles an offer of major 7.</summary>
    /// <param name="ioUring">The rings are set up, so that the kernel may be told to use them.</param>
    /// <exception cref="FuseException">The kernel is older than 7.31.</exception>
    public static FuseNegotiation Negotiate(in FuseInitIn offer, FuseOptions options, bool ioUring)
    {
        if (offer.Minor < FuseNegotiation.OldestMinor)
            throw new FuseException($"The kernel speaks FUSE 7.{offer.Minor}; 7.{FuseNegotiation.OldestMinor} (Linux 5.4) or newer is needed.", Errno.EPROTO);
        int minor = Math.Min((int)Math.Min(offer.Minor, int.MaxValue), options.MaxMinor);
        FuseFeatures offered = (FuseFeatures)(offer.Flags | (ulong)offer.Flags2 << 32);
        FuseFeatures features = offered & Wanted & Of(minor) & ~options.DisabledFeatures;
        if (!ioUring) features &= ~FuseFeatures.OverIoUring;
        if (!features.HasFlag(FuseFeatures.InitExt)) features &= (FuseFeatures)uint.MaxValue;
        // AUTO without DO has no meaning to the kernel.
        if (!features.HasFlag(FuseFeatures.DoReadDirPlus)) features &= ~FuseFeatures.ReadDirPlusAuto;
        int most = features.HasFlag(FuseFeatures.MaxPages) ? options.MaxRead : Math.Min(options.MaxRead, DefaultMaxPages * Environment.SystemPageSize);
        return new FuseNegotiation((int)offer.Minor, minor, features, most, (int)Math.Min(offer.MaxReadAhead, int.MaxValue));
    }

    /// <summary>The answer that makes <paramref name="settled"/> so.</summary>
    public static FuseInitOut Answer(FuseNegotiation settled, FuseOptions options) => new()
    {
        Major = Major,
        Minor = (uint)settled.Minor,
        MaxReadAhead = (uint)settled.MaxReadAhead,
        Flags = (uint)settled.Features,
        Flags2 = (uint)((ulong)settled.Features >> 32),
        MaxBackground = (ushort)options.MaxBackground,
        // The kernel's own proportion: from here on it calls the mount congested and reads less ahead.
        CongestionThreshold = (ushort)(options.MaxBackground * 3 / 4),
        MaxWrite = MaxWrite,
        TimeGran = 1,
        MaxPages = (ushort)PagesOf(settled.MaxRead),
        MaxStackDepth = settled.Has(FuseFeatures.Passthrough) ? (uint)options.PassthroughDepth : 0,
    };

    /// <summary>Pages that a request of this many bytes needs; they have 64 KiB on some machines.</summary>
    public static int PagesOf(int bytes) => (bytes + Environment.SystemPageSize - 1) / Environment.SystemPageSize;

    /// <summary>Flags that a kernel of this minor could have offered: speaking an old minor means not to use newer flags.</summary>
    static FuseFeatures Of(int minor)
    {
        FuseFeatures features = (FuseFeatures)((1UL << 27) - 1); // Up to MapAlignment, 7.31.
        if (minor >= 32) features |= FuseFeatures.Submounts;
        if (minor >= 33) features |= FuseFeatures.HandleKillPrivV2 | FuseFeatures.SetXattrExt;
        if (minor >= 36) features |= FuseFeatures.InitExt | FuseFeatures.SecurityCtx | FuseFeatures.HasInodeDax;
        if (minor >= 38) features |= FuseFeatures.CreateSuppGroup | FuseFeatures.HasExpireOnly;
        if (minor >= 39) features |= FuseFeatures.DirectIoAllowMmap;
        if (minor >= 40) features |= FuseFeatures.Passthrough | FuseFeatures.NoExportSupport | FuseFeatures.HasResend;
        if (minor >= 41) features |= FuseFeatures.AllowIdmap;
        if (minor >= 42) features |= FuseFeatures.OverIoUring;
        if (minor >= 43) features |= FuseFeatures.RequestTimeout;
        return features;
    }
}
