using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>One part mounts, another serves.</summary>
public sealed class HandoverTests
{
    static readonly FuseOptions Options = new() { Transport = FuseTransportKind.ClonedDescriptors, Threads = 3 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_mount_is_served_by_who_gets_its_descriptors(bool initialized)
    {
        string path = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        FuseHandover handover = FuseHandover.Mount(path, Options);
        using TestReader reader = new();
        // Asked before anybody serves: it waits.
        Task<string> early = reader.AskAsync("verify", "sequential", TestReader.Word(path + "/file"), 2, 100_000);
        if (initialized)
        {
            handover = handover.Initialize(Options);
            Assert.Equal(3, handover.Devices.Count);
            Assert.Same(handover, handover.Initialize(Options));
        }
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "file", 100_000);
        using (FuseConnection connection = FuseConnection.Attach(handover, files, Options))
        {
            Assert.Equal("ok", await early.WaitAsync(TestReader.Patience));
            Assert.Equal(FuseTransportKind.ClonedDescriptors, connection.Transport);
            Assert.Equal(path, connection.MountPoint);
        }
        Assert.DoesNotContain(FuseMountPoint.List(), entry => entry.Path == path);
        Assert.All(handover.Devices, static device => Assert.True(device.IsClosed));
        Directory.Delete(path);
    }

    [Fact]
    public void A_handover_that_nobody_takes_ends_its_mount()
    {
        string path = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        using (FuseHandover handover = FuseHandover.Mount(path, Options).Initialize(Options)) { }
        Assert.True(FuseMountPoint.RecoverStale(path));
        Directory.Delete(path);
    }

    [Fact]
    public void A_filesystem_that_fails_to_start_leaves_no_mount()
    {
        string path = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        foreach (FuseTransportKind transport in TestTransports.Available)
        {
            Assert.Throws<InvalidDataException>(() => FuseConnection.Mount(path, new Broken(), new FuseOptions { Transport = transport }));
            Assert.DoesNotContain(FuseMountPoint.List(), entry => entry.Path == path);
        }
        Directory.Delete(path);
    }

    /// <summary>Cannot start.</summary>
    sealed class Broken : IFuseFileSystem
    {
        public void Connected(FuseConnection connection) => throw new InvalidDataException("The manifest is broken.");

        public void Lookup(FuseRequest request, FuseNodeId parent, ReadOnlySpan<byte> name) => request.ReplyNoEntry(0);

        public void Forget(FuseNodeId node, ulong lookups) { }

        public void GetAttr(FuseRequest request, FuseNodeId node, FuseHandle? handle) => request.ReplyError(Errno.EIO);

        public void ReadLink(FuseRequest request, FuseNodeId node) => request.ReplyError(Errno.EIO);

        public void Open(FuseRequest request, FuseNodeId node, uint flags) => request.ReplyError(Errno.EIO);

        public void Read(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size) => request.ReplyError(Errno.EIO);

        public void ReadDir(FuseRequest request, FuseNodeId node, FuseHandle handle, ulong offset, int size, bool plus) => request.ReplyError(Errno.EIO);

        public void StatFs(FuseRequest request, FuseNodeId node) => request.ReplyError(Errno.EIO);
    }
}
