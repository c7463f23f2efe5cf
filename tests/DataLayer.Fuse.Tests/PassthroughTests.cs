using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Files that the kernel reads by itself (needs CAP_SYS_ADMIN and 7.40).</summary>
public sealed class PassthroughTests
{
    public static TheoryData<FuseTransportKind> Transports() => [.. TestTransports.Available];

    [Theory]
    [MemberData(nameof(Transports))]
    public void A_file_handed_to_the_kernel_is_read_without_asking(FuseTransportKind transport)
    {
        MemoryFileSystem files = new() { ZeroMessages = false };
        MemoryNode file = files.AddFile(files.Root, "file", 3_000_001);
        MemoryNode other = files.AddFile(files.Root, "other", 10_000);
        string backing = Path.Combine(Path.GetTempPath(), $"fuse-backing-{Guid.NewGuid():N}");
        byte[] content = new byte[file.Size];
        MemoryFileSystem.Fill(file, content, 0);
        File.WriteAllBytes(backing, content);
        using TestMount mount = new(files, new FuseOptions { Transport = transport, PassthroughDepth = 2 });
        if (!mount.Connection.Negotiation.Has(FuseFeatures.Passthrough)) return; // Linux before 6.9.
        using (FileStream stream = File.OpenRead(backing)) file.BackingId = mount.Connection.BackingOpen(stream.SafeFileHandle);
        Assert.True(file.BackingId > 0, $"errno {-file.BackingId}");
        mount.Verify("file", file, "sequential", "random", "mmap", "sendfile", "odd");
        Assert.Equal(0, mount.Connection.Statistics()[FuseOpcode.Read]);
        mount.Verify("other", other, "sequential");
        Assert.True(mount.Connection.Statistics()[FuseOpcode.Read] > 0);
        Assert.Equal(Errno.None, mount.Connection.BackingClose(file.BackingId));
        Assert.Equal(Errno.ENOENT, mount.Connection.BackingClose(file.BackingId));
        File.Delete(backing);
    }

    [Fact]
    public void Without_the_feature_no_file_is_taken()
    {
        using TestMount mount = new(new MemoryFileSystem(), new FuseOptions { DisabledFeatures = FuseFeatures.Passthrough });
        using FileStream stream = File.OpenRead(typeof(PassthroughTests).Assembly.Location);
        Assert.Equal(-(int)Errno.EPERM, mount.Connection.BackingOpen(stream.SafeFileHandle));
    }
}
