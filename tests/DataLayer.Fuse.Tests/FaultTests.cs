using System.Diagnostics;
using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>What goes wrong must reach the caller as an errno, and soon.</summary>
public sealed class FaultTests
{
    /// <summary>ECONNABORTED for what was in flight; ENOTCONN where the page cache asked once more.</summary>
    const string Aborted = "^errno (103|107)$";

    public static TheoryData<FuseTransportKind> Transports() => [.. TestTransports.Available];

    [Theory]
    [MemberData(nameof(Transports))]
    public void Broken_handlers_give_EIO_and_the_mount_lives_on(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        MemoryNode good = files.AddFile(files.Root, "good", 10_000);
        files.AddFile(files.Root, "throws", 10, MemoryFileKind.Throws);
        files.AddFile(files.Root, "forgets", 10, MemoryFileKind.Forgets);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal("errno 5", mount.Reader.Ask("read-errno", mount.At("throws")));
            Assert.Equal("errno 5", mount.Reader.Ask("read-errno", mount.At("forgets")));
        }
        mount.Verify("good", good, "sequential", "random");
        Assert.Equal(mount.Connection.Statistics().Unanswered, mount.Lines.Count);
        Assert.True(mount.Lines.Count >= 6);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_dropped_request_gives_EIO_once_the_collector_finds_it(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "drops", 10, MemoryFileKind.Drops);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Task<string> asked = mount.Reader.AskAsync("read-errno", mount.At("drops"));
        Await(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return asked.IsCompleted;
        });
        Assert.Equal("errno 5", await asked);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Abort_frees_the_callers_of_requests_that_are_never_answered(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "hangs", 10, MemoryFileKind.Hangs);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Task<string> asked = mount.Reader.AskAsync("read-errno", mount.At("hangs"));
        Await(() => mount.Connection.Statistics().Pending > 0);
        Assert.False(asked.IsCompleted);
        mount.Connection.Abort();
        Assert.Matches(Aborted, await asked.WaitAsync(TestReader.Patience));
        await mount.Connection.Completion.WaitAsync(TestReader.Patience);
        Assert.True(files.IsDisconnected);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Abort_frees_the_callers_of_a_handler_that_never_returns(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "blocks", 10, MemoryFileKind.Blocks);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Task<string> asked = mount.Reader.AskAsync("read-errno", mount.At("blocks"));
        Await(() => mount.Connection.Statistics()[FuseOpcode.Read] > 0);
        mount.Connection.Abort();
        Assert.Matches(Aborted, await asked.WaitAsync(TestReader.Patience));
        files.ReleaseBlocked();
        await mount.Connection.Completion.WaitAsync(TestReader.Patience);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Abort_reaches_a_mount_that_was_copied_into_another_namespace(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "file", 10);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        ProcessStartInfo start = new("unshare", ["--mount", "--propagation", "private", "cat"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        using Process elsewhere = Process.Start(start)!;
        elsewhere.StandardInput.WriteLine("ready");
        elsewhere.StandardInput.Flush();
        Assert.Equal("ready", await elsewhere.StandardOutput.ReadLineAsync().WaitAsync(TestReader.Patience));
        mount.Connection.Unmount();
        Assert.DoesNotContain(FuseMountPoint.List(), entry => entry.Path == mount.Path);
        Assert.False(mount.Connection.Completion.IsCompleted); // The copy keeps the connection alive.
        mount.Connection.Abort();
        await mount.Connection.Completion.WaitAsync(TestReader.Patience);
        elsewhere.Kill();
        elsewhere.WaitForExit();
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void A_killed_caller_ends_and_its_request_is_cancelled(FuseTransportKind transport)
    {
        // Direct I/O chosen by the filesystem: the caller waits for the request itself, so the kernel interrupts it.
        MemoryFileSystem files = new() { ZeroMessages = false, OpenFlags = FuseOpenFlags.DirectIo };
        files.AddFile(files.Root, "slow", 10, MemoryFileKind.Interruptible);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        using TestReader reader = new();
        _ = reader.AskAsync("read-errno", mount.At("slow"));
        Await(() => mount.Connection.Statistics().Pending > 0);
        reader.Kill();
        Await(() => mount.Connection.Statistics().Pending == 0);
        Assert.True(mount.Connection.Statistics()[FuseOpcode.Interrupt] > 0);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void A_killed_caller_of_a_buffered_read_ends_although_nobody_answers(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "hangs", 10, MemoryFileKind.Hangs);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        using TestReader reader = new();
        _ = reader.AskAsync("read-errno", mount.At("hangs"));
        Await(() => mount.Connection.Statistics().Pending > 0);
        reader.Kill();
        Assert.True(mount.Connection.Statistics().Pending > 0); // It is the page's request, not the caller's.
        mount.Connection.Abort();
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Unmount_under_load_ends_readers_with_an_error_and_leaves_nothing(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        for (int i = 0; i < 200; i++) files.AddFile(files.Root, $"file{i}", 4000, i % 2 == 0 ? MemoryFileKind.Late : MemoryFileKind.Normal);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Task<string> spinning = mount.Reader.AskAsync("spin", mount.At(""), 4);
        Await(() => mount.Connection.Statistics()[FuseOpcode.Read] > 50);
        mount.Connection.Unmount();
        // Detached: the path is empty, and with the last file closed the connection ends.
        string answer = await spinning.WaitAsync(TestReader.Patience);
        Assert.Matches("^ok [0-9]+ 2$", answer); // ENOENT: the names are gone.
        await mount.Connection.Completion.WaitAsync(TestReader.Patience);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Abort_under_load_ends_readers_and_threads(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        for (int i = 0; i < 200; i++) files.AddFile(files.Root, $"file{i}", 4000, i % 2 == 0 ? MemoryFileKind.Late : MemoryFileKind.Normal);
        files.AddFile(files.Root, "hangs", 10, MemoryFileKind.Hangs);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Task<string> spinning = mount.Reader.AskAsync("spin", mount.At(""), 4);
        Await(() => mount.Connection.Statistics()[FuseOpcode.Read] > 50);
        mount.Connection.Abort();
        Assert.Matches("^ok [0-9]+ (103|107)$", await spinning.WaitAsync(TestReader.Patience));
        await mount.Connection.Completion.WaitAsync(TestReader.Patience);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task An_answer_after_the_end_of_the_mount_goes_nowhere(FuseTransportKind transport)
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "hangs", 10, MemoryFileKind.Hangs);
        using TestMount mount = new(files, new FuseOptions { Transport = transport });
        Task<string> asked = mount.Reader.AskAsync("read-errno", mount.At("hangs"));
        Await(() => mount.Connection.Statistics().Pending > 0);
        mount.Connection.Abort();
        await mount.Connection.Completion.WaitAsync(TestReader.Patience);
        Assert.Matches(Aborted, await asked.WaitAsync(TestReader.Patience));
        // The descriptors of the mount are closed: these files get their numbers.
        string directory = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        List<FileStream> reused = [.. Enumerable.Range(0, 64).Select(i => File.Create(Path.Combine(directory, $"{i}")))];
        foreach (FuseRequest request in files.TakeHanging()) request.ReplyData("must not be written anywhere"u8);
        Assert.Equal(Errno.ENODEV, mount.Connection.InvalidateInode(FuseNodeId.Root));
        Assert.All(reused, static file => Assert.Equal(0, RandomAccess.GetLength(file.SafeFileHandle)));
        reused.ForEach(static file => file.Dispose());
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void A_mount_is_usable_again_after_kill_9_of_its_server()
    {
        string path = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        try
        {
            using Process first = TestReader.Start(["--", "serve", path]);
            Assert.StartsWith("ready", first.StandardOutput.ReadLine(), StringComparison.Ordinal);
            using TestReader reader = new();
            Assert.StartsWith("ok", reader.Ask("hold", "f", TestReader.Word(path + "/file")), StringComparison.Ordinal);
            first.Kill();
            first.WaitForExit();
            FuseException refused = Assert.Throws<FuseException>(() => FuseConnection.Mount(path, new MemoryFileSystem(), new FuseOptions()));
            Assert.Equal(Errno.ENOTCONN, refused.Errno);
            Assert.True(FuseMountPoint.RecoverStale(path));
            Assert.False(FuseMountPoint.RecoverStale(path));
            MemoryFileSystem files = new();
            MemoryNode file = files.AddFile(files.Root, "file", 5000);
            using FuseConnection connection = FuseConnection.Mount(path, files, new FuseOptions());
            Assert.Equal("ok", reader.Ask("verify", "sequential", TestReader.Word(path + "/file"), file.Seed, file.Size));
            Assert.False(FuseMountPoint.RecoverStale(path)); // It is alive.
        }
        finally
        {
            while (FuseMountPoint.Unmount(path, lazy: true)) { }
            Directory.Delete(path);
        }
    }

    [Theory]
    [InlineData("single")]
    [InlineData("cloned")]
    [InlineData("uring")]
    public async Task Kill_9_of_a_server_frees_the_callers_it_kept_waiting(string transport)
    {
        string path = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        try
        {
            using Process server = TestReader.Start(["--", "serve", path, transport]);
            Assert.StartsWith("ready", server.StandardOutput.ReadLine(), StringComparison.Ordinal);
            using TestReader reader = new();
            Assert.Equal("ok", reader.Ask("verify", "sequential", TestReader.Word(path + "/file"), 2, 100_000));
            Task<string> asked = reader.AskAsync("read-errno", TestReader.Word(path + "/hangs"));
            server.Kill();
            // From rings also ECANCELED.
            Assert.Matches("^errno (103|107|125)$", await asked.WaitAsync(TestReader.Patience));
            Assert.True(FuseMountPoint.RecoverStale(path));
        }
        finally
        {
            while (FuseMountPoint.Unmount(path, lazy: true)) { }
            Directory.Delete(path);
        }
    }

    [Fact]
    public void A_server_that_hangs_is_not_taken_for_dead()
    {
        MemoryFileSystem files = new() { HangsOnStatFs = true };
        using TestMount mount = new(files);
        Assert.False(FuseMountPoint.RecoverStale(mount.Path));
        Assert.Single(FuseMountPoint.List(), entry => entry.Path == mount.Path);
        mount.Connection.Abort();
    }

    [Fact]
    public async Task A_busy_mount_is_not_unmounted_unless_lazily()
    {
        MemoryFileSystem files = new();
        files.AddFile(files.Root, "file", 10);
        using TestMount mount = new(files);
        Assert.Equal("ok", mount.Reader.Ask("hold", "f", mount.At("file")));
        Assert.Equal(Errno.EBUSY, Assert.Throws<FuseException>(() => FuseMountPoint.Unmount(mount.Path)).Errno);
        Assert.True(FuseMountPoint.Unmount(mount.Path, lazy: true));
        Assert.False(FuseMountPoint.Unmount(mount.Path));
        Assert.False(mount.Connection.Completion.IsCompleted);
        Assert.Equal("ok", mount.Reader.Ask("release", "f"));
        await mount.Connection.Completion.WaitAsync(TestReader.Patience);
    }

    [Fact]
    public void Other_filesystems_are_left_alone() =>
        Assert.Equal(Errno.EINVAL, Assert.Throws<FuseException>(() => FuseMountPoint.Unmount("/proc")).Errno);

    [Theory]
    [InlineData("missing", Errno.ENOENT)]
    [InlineData("file", Errno.ENOTDIR)]
    public void A_mount_point_that_is_none_is_named(string name, Errno errno)
    {
        string parent = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        File.WriteAllText(Path.Combine(parent, "file"), "");
        FuseException refused = Assert.Throws<FuseException>(() => FuseConnection.Mount(Path.Combine(parent, name), new MemoryFileSystem(), new FuseOptions()));
        Assert.Equal(errno, refused.Errno);
        Assert.Contains(Path.Combine(parent, name), refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
        Directory.Delete(parent, recursive: true);
    }

    [Fact]
    public async Task Mount_points_are_found_through_symbolic_links()
    {
        string parent = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        string real = Directory.CreateDirectory(Path.Combine(parent, "real", "mount")).FullName;
        Directory.CreateSymbolicLink(Path.Combine(parent, "alias"), "real");
        using (FuseConnection connection = FuseConnection.Mount(Path.Combine(parent, "alias", "mount") + "/", new MemoryFileSystem(), new FuseOptions()))
        {
            Assert.Equal(real, connection.MountPoint);
            Assert.True(FuseMountPoint.Unmount(Path.Combine(parent, "alias", ".", "mount")));
            await connection.Completion.WaitAsync(TestReader.Patience);
        }
        Directory.Delete(parent, recursive: true);
    }

    internal static void Await(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, TestReader.Patience), "A condition did not come true.");
}
