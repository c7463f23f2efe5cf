using System.Runtime.InteropServices;
using Xunit;

namespace DataLayer.Fuse.Tests;

public sealed class HandshakeTests
{
    const FuseFeatures Everything = (FuseFeatures)((1UL << 43) - 1);

    [Theory]
    [InlineData(31)]
    [InlineData(35)]
    [InlineData(38)]
    [InlineData(42)]
    [InlineData(45)]
    [InlineData(60)]
    public void The_smaller_minor_is_spoken(uint minor)
    {
        FuseNegotiation settled = FuseHandshake.Negotiate(Offer(minor, Everything), new FuseOptions(), ioUring: true);
        Assert.Equal(Math.Min((int)minor, FuseNegotiation.NewestMinor), settled.Minor);
        Assert.Equal((int)minor, settled.KernelMinor);
    }

    [Fact]
    public void A_kernel_before_7_31_is_refused_in_one_line()
    {
        FuseException refused = Assert.Throws<FuseException>(() => FuseHandshake.Negotiate(Offer(30, Everything), new FuseOptions(), ioUring: false));
        Assert.DoesNotContain('\n', refused.Message);
        Assert.Contains("7.30", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_taken_that_was_not_offered() =>
        Assert.Equal(FuseFeatures.None, FuseHandshake.Negotiate(Offer(45, FuseFeatures.None), new FuseOptions(), ioUring: true).Features);

    [Fact]
    public void Writing_locks_and_acls_are_never_taken()
    {
        FuseNegotiation settled = FuseHandshake.Negotiate(Offer(45, Everything), new FuseOptions(), ioUring: true);
        const FuseFeatures never = FuseFeatures.WritebackCache | FuseFeatures.PosixLocks | FuseFeatures.FlockLocks | FuseFeatures.PosixAcl |
            FuseFeatures.AutoInvalData | FuseFeatures.AtomicOTrunc | FuseFeatures.HandleKillPriv | FuseFeatures.HandleKillPrivV2;
        Assert.Equal(FuseFeatures.None, settled.Features & never);
    }

    public static TheoryData<FuseFeatures> Features() => [.. Enum.GetValues<FuseFeatures>().Where(feature => feature != FuseFeatures.None)];

    [Theory]
    [MemberData(nameof(Features))]
    public void A_disabled_feature_is_not_taken(FuseFeatures feature)
    {
        FuseNegotiation settled = FuseHandshake.Negotiate(Offer(45, Everything), new FuseOptions { DisabledFeatures = feature }, ioUring: true);
        Assert.Equal(FuseFeatures.None, settled.Features & feature);
    }

    [Fact]
    public void An_old_minor_takes_no_newer_feature()
    {
        FuseNegotiation settled = FuseHandshake.Negotiate(Offer(45, Everything), new FuseOptions { MaxMinor = 31 }, ioUring: true);
        Assert.Equal(FuseFeatures.None, settled.Features & (FuseFeatures)~((1UL << 27) - 1));
        Assert.Equal(0u, FuseHandshake.Answer(settled, new FuseOptions()).Flags2);
        Assert.Equal(0u, FuseHandshake.Answer(settled, new FuseOptions()).MaxStackDepth);
    }

    [Fact]
    public void Io_uring_is_taken_only_when_rings_are_there()
    {
        Assert.True(FuseHandshake.Negotiate(Offer(45, Everything), new FuseOptions(), ioUring: true).Has(FuseFeatures.OverIoUring));
        Assert.False(FuseHandshake.Negotiate(Offer(45, Everything), new FuseOptions(), ioUring: false).Has(FuseFeatures.OverIoUring));
    }

    [Fact]
    public void Without_max_pages_a_read_has_32_pages()
    {
        FuseNegotiation settled = FuseHandshake.Negotiate(Offer(45, Everything), new FuseOptions { DisabledFeatures = FuseFeatures.MaxPages }, ioUring: false);
        Assert.Equal(128 << 10, settled.MaxRead);
    }

    [Fact]
    public void The_answer_carries_flags_in_both_words()
    {
        FuseInitOut answer = FuseHandshake.Answer(FuseHandshake.Negotiate(Offer(45, Everything), new FuseOptions(), ioUring: true), new FuseOptions());
        Assert.NotEqual(0u, answer.Flags & (uint)FuseFeatures.InitExt);
        Assert.NotEqual(0u, answer.Flags2 & (uint)((ulong)FuseFeatures.Passthrough >> 32));
        Assert.Equal((256, 1u, 1u, 64, 48), (answer.MaxPages, answer.TimeGran, answer.MaxStackDepth, answer.MaxBackground, answer.CongestionThreshold));
    }

    [Fact]
    public void Flags2_of_an_offer_without_init_ext_is_ignored()
    {
        byte[] message = Message(FuseOpcode.Init, [.. Words(7, 35, 131072, (uint)FuseFeatures.AsyncRead), 0xFF, 0xFF, 0xFF, 0xFF]);
        Assert.True(FuseHandshake.TryRead(message, out _, out FuseInitIn offer));
        Assert.Equal(0u, offer.Flags2);
    }

    [Fact]
    public void An_init_of_sixteen_bytes_is_read()
    {
        Assert.True(FuseHandshake.TryRead(Message(FuseOpcode.Init, Words(7, 31, 131072, 1)), out FuseInHeader header, out FuseInitIn offer));
        Assert.Equal((7u, 31u, 131072u, 1u), (offer.Major, offer.Minor, offer.MaxReadAhead, offer.Flags));
        Assert.Equal(1ul, header.Unique);
    }

    [Fact]
    public void Anything_else_is_no_init()
    {
        Assert.False(FuseHandshake.TryRead([], out _, out _));
        Assert.False(FuseHandshake.TryRead(Message(FuseOpcode.Init, Words(7, 31, 0)), out _, out _));
        Assert.False(FuseHandshake.TryRead(Message(FuseOpcode.Lookup, Words(7, 31, 0, 0)), out _, out _));
        byte[] lying = Message(FuseOpcode.Init, Words(7, 31, 0, 0));
        lying[0]++;
        Assert.False(FuseHandshake.TryRead(lying, out _, out _));
    }

    static FuseInitIn Offer(uint minor, FuseFeatures features) => new()
    {
        Major = 7,
        Minor = minor,
        MaxReadAhead = 131072,
        Flags = (uint)features,
        Flags2 = (uint)((ulong)features >> 32),
    };

    static byte[] Words(params uint[] words) => MemoryMarshal.AsBytes<uint>(words).ToArray();

    static byte[] Message(FuseOpcode opcode, byte[] body) => KernelMessage.Create(opcode, unique: 1, node: 0, body);
}
