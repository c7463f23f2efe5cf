using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>FUSE over io_uring where it does not work: the mount must, on /dev/fuse.</summary>
public sealed class RingTransportTests
{
    static readonly FuseNegotiation Settled = new(45, 45, FuseFeatures.OverIoUring, 4096, 131072);

    [Fact]
    public void Without_rings_there_is_no_transport_and_no_thread_is_left()
    {
        FuseSession session = new(new RecordingFileSystem(), Settled, new FuseOptions());
        using FuseDevice device = NoDevice();
        // More than a ring can have: io_uring_setup refuses.
        Assert.Null(RingTransport.TryCreate(session, device, new FuseOptions { RingEntries = 40_000 }));
    }

    [Fact]
    public void A_kernel_that_refuses_the_entries_is_told_by_false()
    {
        if (!TestTransports.Available.Contains(FuseTransportKind.IoUring)) return;
        FuseSession session = new(new RecordingFileSystem(), Settled, new FuseOptions());
        using FuseDevice device = NoDevice();
        RingTransport? transport = RingTransport.TryCreate(session, device, new FuseOptions());
        Assert.NotNull(transport);
        Assert.False(transport.TryRegister());
        Assert.True(transport.Completion.IsCompleted);
    }

    [Fact]
    public void Asked_for_without_being_offered_it_falls_back_with_a_warning()
    {
        using TestMount mount = new(new MemoryFileSystem(), new FuseOptions { Transport = FuseTransportKind.IoUring, DisabledFeatures = FuseFeatures.OverIoUring });
        Assert.Equal(FuseTransportKind.ClonedDescriptors, mount.Connection.Transport);
        Assert.Contains("io_uring", Assert.Single(mount.Lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0\n", 1)]
    [InlineData("0-1\n", 2)]
    [InlineData("0-63", 64)]
    [InlineData("0,2-3,7", 4)]
    public void Possible_cpus_are_counted(string list, int count) => Assert.Equal(count, RingTransport.CountCpus(list));

    // Of the devices every machine has, this one knows no io_uring commands.
    static FuseDevice NoDevice() => new(File.OpenHandle("/dev/zero"));
}
