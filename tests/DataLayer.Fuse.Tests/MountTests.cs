using System.Text;
using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Real mounts, read by a child process, for each transport and open mode.</summary>
public sealed class MountTests
{
    public static TheoryData<FuseTransportKind, bool> Modes()
    {
        TheoryData<FuseTransportKind, bool> modes = [];
        foreach (FuseTransportKind transport in TestTransports.Available)
        {
            modes.Add(transport, true);
            modes.Add(transport, false);
        }
        return modes;
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Every_way_to_read_gives_the_same_bytes(FuseTransportKind transport, bool zeroMessages)
    {
        MemoryFileSystem files = new() { ZeroMessages = zeroMessages };
        List<(string Name, MemoryNode File)> all = [];
        foreach (long size in (long[])[0, 1, 4095, 4096, 4097, 131_071, 131_072, 1_000_003, 5_000_000])
        {
            all.Add(($"f{size}", files.AddFile(files.Root, $"f{size}", size)));
            all.Add(($"late{size}", files.AddFile(files.Root, $"late{size}", size, MemoryFileKind.Late)));
        }
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.Equal(transport, mount.Connection.Transport);
        foreach ((string name, MemoryNode file) in all)
        {
            // Direct first: it drops the pages it covers, so that both it and the later ways ask the filesystem.
            mount.Verify(name, file, "direct", "odd", "mmap", "random", "sendfile", "sequential");
        }
        Assert.Empty(mount.Lines);
        Assert.Equal(0, mount.Connection.Statistics().PayloadBytesHeld);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void The_tree_looks_as_it_is(FuseTransportKind transport, bool zeroMessages)
    {
        MemoryFileSystem files = new() { ZeroMessages = zeroMessages };
        MemoryNode directory = files.AddDirectory(files.Root, "dir");
        List<string> expected = ["dir"];
        for (int i = 0; i < 700; i++)
        {
            string name = $"file-{i}-{new string('x', i % 200)}";
            files.AddFile(directory, name, i);
            expected.Add($"dir/{name}");
        }
        foreach (string name in (string[])["new\nline", "quote\"'\\", "späce é", new string('n', 255), "-rf", "a%b"])
        {
            files.AddFile(files.Root, Latin1(name), 3);
            expected.Add(name);
        }
        files.AddLink(files.Root, "link", "dir/../no/where");
        expected.Add("link");
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        string list = "ok " + string.Join(' ', expected.Select(Uri.EscapeDataString).Order(StringComparer.Ordinal));
        Assert.Equal(list, mount.Reader.Ask("list", mount.At("")));
        Assert.Equal(list, mount.Reader.Ask("list", mount.At("")));
        Assert.Equal("ok " + Convert.ToHexString("dir/../no/where"u8), mount.Reader.Ask("readlink", mount.At("link")));
        long ticks = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000).Ticks + 1_234_567;
        Assert.Equal($"ok 3 {ticks} 420", mount.Reader.Ask("stat", mount.At("späce é")));
        Assert.Equal("errno 2", mount.Reader.Ask("read-errno", mount.At("missing")));
        Assert.Equal($"ok {1000 * 4096} {10 * 4096} {5 * 4096}", mount.Reader.Ask("statfs", mount.At("")));
        Assert.Empty(mount.Lines);
        (int code, string output) = TestReader.Run("find", mount.Path, "-printf", "%p %s\\n");
        Assert.Equal((0, expected.Count + 2), (code, output.Split('\n').Length - 1)); // The root, and one name has a newline.
        // A second walk comes from the kernel's caches.
        FuseStatistics before = mount.Connection.Statistics();
        Assert.Equal((code, output), TestReader.Run("find", mount.Path, "-printf", "%p %s\\n"));
        FuseStatistics after = mount.Connection.Statistics();
        if (!zeroMessages) return;
        foreach (FuseOpcode opcode in Enum.GetValues<FuseOpcode>())
        {
            if (opcode != FuseOpcode.StatFs) Assert.Equal((opcode, before[opcode]), (opcode, after[opcode])); // find asks for the type of filesystem.
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Names_may_hold_any_byte(FuseTransportKind transport, bool zeroMessages)
    {
        MemoryFileSystem files = new() { ZeroMessages = zeroMessages };
        byte[] name = [.. Enumerable.Range(1, 254).Where(static b => b != '/').Select(static b => (byte)b)];
        MemoryNode file = files.AddFile(files.Root, Encoding.Latin1.GetString(name), 10_000);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.Equal("ok", mount.Reader.Ask("verify", "sequential", mount.At("") + "/" + TestReader.Word(name), file.Seed, file.Size));
        (int code, string output) = TestReader.Run("find", mount.Path, "-mindepth", "1", "-printf", "%f\\0");
        Assert.Equal((0, Encoding.Latin1.GetString(name) + "\0"), (code, output));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Whatever_writes_gets_EROFS(FuseTransportKind transport, bool zeroMessages)
    {
        MemoryFileSystem files = new() { ZeroMessages = zeroMessages };
        files.AddFile(files.Root, "file", 10);
        files.AddDirectory(files.Root, "dir");
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        foreach (string way in (string[])["open", "create", "unlink", "mkdir", "rename", "link", "symlink", "chmod", "truncate", "setxattr", "access"])
            Assert.Equal((way, "errno 30"), (way, mount.Reader.Ask("write", way, mount.At("file"))));
        Assert.Equal("errno 30", mount.Reader.Ask("write", "rmdir", mount.At("dir")));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Extended_attributes_are_listed_and_read(FuseTransportKind transport, bool zeroMessages)
    {
        MemoryFileSystem files = new() { ZeroMessages = zeroMessages };
        MemoryNode file = files.AddFile(files.Root, "file", 10);
        file.Xattrs["user.one"] = "1"u8.ToArray();
        file.Xattrs["user.empty"] = [];
        file.Xattrs["user.long"] = new byte[60_000];
        files.AddFile(files.Root, "plain", 10);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.Equal("ok 31", mount.Reader.Ask("getxattr", mount.At("file"), "user.one"));
        Assert.Equal("ok ", mount.Reader.Ask("getxattr", mount.At("file"), "user.empty"));
        Assert.Equal("ok " + new string('0', 120_000), mount.Reader.Ask("getxattr", mount.At("file"), "user.long"));
        Assert.Equal("errno 61", mount.Reader.Ask("getxattr", mount.At("file"), "user.none"));
        Assert.Equal("ok " + Convert.ToHexString("user.one\0user.empty\0user.long\0"u8), mount.Reader.Ask("listxattr", mount.At("file")));
        Assert.Equal("ok ", mount.Reader.Ask("listxattr", mount.At("plain")));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Holes_are_found_and_read_as_zeros(FuseTransportKind transport, bool zeroMessages)
    {
        MemoryFileSystem files = new() { ZeroMessages = zeroMessages };
        MemoryNode file = files.AddFile(files.Root, "sparse", 300_000, hole: true);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        (long start, long end) = file.Hole;
        Assert.Equal($"ok {start}", mount.Reader.Ask("seek", mount.At("sparse"), 0, "hole"));
        Assert.Equal($"ok {end}", mount.Reader.Ask("seek", mount.At("sparse"), start, "data"));
        Assert.Equal("ok 300000", mount.Reader.Ask("seek", mount.At("sparse"), end, "hole"));
        Assert.Equal("errno 6", mount.Reader.Ask("seek", mount.At("sparse"), 300_000, "data"));
        byte[] expected = new byte[100_000];
        MemoryFileSystem.Fill(file, expected, 50_000);
        Assert.Contains((byte)0, expected);
        Assert.Equal("ok", mount.Reader.Ask("hold", "f", mount.At("sparse")));
        Assert.Equal("ok " + Convert.ToHexString(expected), mount.Reader.Ask("pread", "f", 50_000, 100_000));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void An_ioctl_takes_and_returns_bytes(FuseTransportKind transport, bool zeroMessages)
    {
        MemoryFileSystem files = new() { ZeroMessages = zeroMessages };
        files.AddFile(files.Root, "file", 10);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Assert.Equal("ok 7 42", mount.Reader.Ask("ioctl", mount.At("file"), 41));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void A_warm_open_read_and_close_sends_nothing(FuseTransportKind transport, bool zeroMessages)
    {
        if (!zeroMessages) return; // Only this mode promises it.
        MemoryFileSystem files = new() { HasXattrs = false };
        MemoryNode file = files.AddFile(files.Root, "file", 100_000);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        mount.Verify("file", file, "sequential", "sequential");
        IReadOnlyList<long> before = mount.Connection.Statistics().Requests;
        for (int i = 0; i < 10; i++) mount.Verify("file", file, "sequential", "mmap", "random", "sendfile");
        Assert.Equal(before, mount.Connection.Statistics().Requests);
    }

    [Fact]
    public void Two_mounts_of_one_process_are_separate()
    {
        MemoryFileSystem first = new(), second = new();
        MemoryNode one = first.AddFile(first.Root, "file", 1000);
        second.AddFile(second.Root, "other", 1);
        MemoryNode two = second.AddFile(second.Root, "file", 2000);
        using TestMount a = new(first), b = new(second);
        a.Verify("file", one, "sequential");
        b.Verify("file", two, "sequential");
        Assert.NotEqual(a.Connection.ConnectionId, b.Connection.ConnectionId);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Read_ahead_is_raised(FuseTransportKind transport, bool zeroMessages)
    {
        using TestMount mount = new(new MemoryFileSystem() { ZeroMessages = zeroMessages }, new FuseOptions { Transport = transport, ReadAhead = 512 << 10 });
        Assert.Equal("512", File.ReadAllText($"/sys/class/bdi/0:{mount.Connection.ConnectionId}/read_ahead_kb").Trim());
    }

    [Fact]
    public void A_mount_is_listed_with_its_source()
    {
        using TestMount mount = new(new MemoryFileSystem(), new FuseOptions { Source = @"s3://bucket/a b,c\d" });
        FuseMountInfo info = Assert.Single(FuseMountPoint.List(), entry => entry.Path == mount.Path);
        Assert.Equal((@"s3://bucket/a b,c\d", mount.Connection.ConnectionId), (info.Source, info.ConnectionId));
        Assert.DoesNotContain(FuseMountPoint.List("other"), entry => entry.Path == mount.Path);
    }

    // Names in the tree are Latin-1 strings of their UTF-8 bytes.
    static string Latin1(string name) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(name));
}
