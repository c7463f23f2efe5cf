using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>The threads of a transport make no garbage in steady state: a collection would stall every reader.</summary>
[Collection("alone")]
public sealed class AllocationTests
{
    public static TheoryData<FuseTransportKind> Transports() => [.. TestTransports.Available];

    [Theory]
    [MemberData(nameof(Transports))]
    public void Lookup_getattr_open_read_and_release_allocate_nothing(FuseTransportKind transport)
    {
        // Timeout 0: the kernel asks each time. Direct I/O: it reads each time.
        MemoryFileSystem files = new() { Timeout = 0, ZeroMessages = false, OpenFlags = FuseOpenFlags.DirectIo, AvoidsGarbage = true };
        for (int i = 0; i < 20; i++) files.AddFile(files.Root, $"file{i}", 100_000);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Work(mount); // Code is compiled, buffers are grown.
        Work(mount);
        FuseStatistics before = mount.Connection.Statistics();
        Work(mount);
        FuseStatistics after = mount.Connection.Statistics();
        Assert.True(after[FuseOpcode.Lookup] - before[FuseOpcode.Lookup] > 1000);
        Assert.True(after[FuseOpcode.Read] - before[FuseOpcode.Read] > 1000);
        Assert.Equal(0, after.AllocatedBytes - before.AllocatedBytes);
    }

    static void Work(TestMount mount) => Assert.Equal("ok 2000", mount.Reader.Ask("open-read-stat", mount.At(""), 2000));
}

/// <summary>Tests that no other one may run beside.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class AloneCollection;
