using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>What the kernel keeps goes when, and only when, we say so.</summary>
public sealed class InvalidationTests
{
    [Theory]
    [MemberData(nameof(Transports))]
    public void Cached_pages_stay_until_the_inode_is_invalidated(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        MemoryNode file = files.AddFile(files.Root, "file", 100_000);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        mount.Verify("file", file, "sequential");
        ulong old = file.Seed;
        file.Seed = 4711;
        Assert.Equal("ok", mount.Reader.Ask("verify", "sequential", mount.At("file"), old, file.Size));
        Assert.Equal(Errno.None, mount.Connection.InvalidateInode(new FuseNodeId(file.Id)));
        mount.Verify("file", file, "sequential", "mmap");
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Cached_attributes_stay_until_the_inode_is_invalidated(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        MemoryNode file = files.AddFile(files.Root, "file", 1);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        string before = mount.Reader.Ask("stat", mount.At("file"));
        file.Size = 5;
        Assert.Equal(before, mount.Reader.Ask("stat", mount.At("file")));
        Assert.Equal(Errno.None, mount.Connection.InvalidateInode(new FuseNodeId(file.Id), -1));
        Assert.StartsWith("ok 5 ", mount.Reader.Ask("stat", mount.At("file")), StringComparison.Ordinal);
    }

    public static TheoryData<FuseTransportKind> Transports() => [.. TestTransports.Available];

    public static TheoryData<FuseTransportKind, bool> TransportsTwice()
    {
        TheoryData<FuseTransportKind, bool> all = [];
        foreach (FuseTransportKind transport in TestTransports.Available)
        {
            all.Add(transport, false);
            all.Add(transport, true);
        }
        return all;
    }

    [Theory]
    [MemberData(nameof(TransportsTwice))]
    public void A_name_stays_until_its_entry_is_invalidated(FuseTransportKind transport, bool expireOnly)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "name", 1);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.StartsWith("ok 1 ", mount.Reader.Ask("stat", mount.At("name")), StringComparison.Ordinal);
        files.AddFile(files.Root, "name", 2); // Another node.
        Assert.StartsWith("ok 1 ", mount.Reader.Ask("stat", mount.At("name")), StringComparison.Ordinal);
        Assert.Equal(Errno.None, mount.Connection.InvalidateEntry(FuseNodeId.Root, "name"u8, expireOnly));
        Assert.StartsWith("ok 2 ", mount.Reader.Ask("stat", mount.At("name")), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void A_missing_name_stays_missing_until_its_entry_is_invalidated(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.Equal("errno 2", mount.Reader.Ask("stat", mount.At("new")));
        files.AddFile(files.Root, "new", 3);
        Assert.Equal("errno 2", mount.Reader.Ask("stat", mount.At("new")));
        Assert.Equal(Errno.None, mount.Connection.InvalidateEntry(FuseNodeId.Root, "new"u8));
        Assert.StartsWith("ok 3 ", mount.Reader.Ask("stat", mount.At("new")), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Increasing_the_epoch_makes_the_kernel_look_up_every_name_again(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        for (int i = 0; i < 10; i++) files.AddFile(files.Root, $"f{i}", 1);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        if (!mount.Connection.Negotiation.HasEpoch)
        {
            Assert.Equal(Errno.ENOSYS, mount.Connection.IncrementEpoch());
            return;
        }
        for (int i = 0; i < 10; i++) Assert.StartsWith("ok 1 ", mount.Reader.Ask("stat", mount.At($"f{i}")), StringComparison.Ordinal);
        for (int i = 0; i < 10; i++) files.AddFile(files.Root, $"f{i}", 2);
        Assert.Equal(Errno.None, mount.Connection.IncrementEpoch());
        for (int i = 0; i < 10; i++) Assert.StartsWith("ok 2 ", mount.Reader.Ask("stat", mount.At($"f{i}")), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void A_deleted_name_is_gone_at_once(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        MemoryNode file = files.AddFile(files.Root, "name", 1);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.StartsWith("ok 1 ", mount.Reader.Ask("stat", mount.At("name")), StringComparison.Ordinal);
        files.Root.Children.Remove("name");
        Assert.Equal(Errno.None, mount.Connection.NotifyDelete(FuseNodeId.Root, new FuseNodeId(file.Id), "name"u8));
        Assert.Equal("errno 2", mount.Reader.Ask("stat", mount.At("name")));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Stored_bytes_are_read_without_asking(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        MemoryNode file = files.AddFile(files.Root, "file", 100_000);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.StartsWith("ok", mount.Reader.Ask("stat", mount.At("file")), StringComparison.Ordinal);
        byte[] content = new byte[file.Size];
        MemoryFileSystem.Fill(file, content, 0);
        Assert.Equal(Errno.None, mount.Connection.Store(new FuseNodeId(file.Id), 0, content));
        mount.Verify("file", file, "sequential", "mmap");
        Assert.Equal(0, mount.Connection.Statistics()[FuseOpcode.Read]);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void What_the_kernel_does_not_know_is_ENOENT(FuseTransportKind transport)
    {
        using TestMount mount = new(new MemoryFileSystem(), new FuseOptions { Transport = transport });
        Assert.Equal(Errno.ENOENT, mount.Connection.InvalidateInode(new FuseNodeId(12345)));
        Assert.Equal(Errno.ENOENT, mount.Connection.Store(new FuseNodeId(12345), 0, "x"u8));
        Assert.Equal(Errno.ENOENT, mount.Connection.InvalidateEntry(new FuseNodeId(12345), "x"u8));
        Assert.Equal(Errno.ENAMETOOLONG, mount.Connection.InvalidateEntry(FuseNodeId.Root, new byte[256]));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Forgets_give_back_every_lookup(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        for (int i = 0; i < 1000; i++) files.AddFile(files.Root, $"f{i}", 1);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.Equal(0, TestReader.Run("ls", "-l", mount.Path).Code);
        for (int i = 0; i < 1000; i++) mount.Connection.InvalidateEntry(FuseNodeId.Root, System.Text.Encoding.ASCII.GetBytes($"f{i}"));
        // Names that were dropped let go of their inodes.
        FaultTests.Await(() => files.Forgets >= 1000);
    }
}
