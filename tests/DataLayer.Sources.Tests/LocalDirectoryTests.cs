using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Formats;
using DataLayer.Sources.LocalDirectory;

namespace DataLayer.Sources.Tests;

public sealed partial class LocalDirectoryTests : IDisposable
{
    readonly string _root = Directory.CreateTempSubdirectory("datalayer-directory-").FullName;

    public void Dispose() => Run("chmod -R u+rwx \"$1\"; rm -rf \"$1\"", _root);

    LocalDirectorySource Open(SourceOptions? options = null) => LocalDirectorySource.Open(_root, options ?? new SourceOptions());

    /// <summary>A bash script with arguments $1, $2, …: names that are not UTF-8 cannot be made from here.</summary>
    static byte[] Run(string script, params string[] arguments)
    {
        ProcessStartInfo start = new("bash", ["-c", script, "bash", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        using MemoryStream output = new();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        return process.ExitCode == 0 ? output.ToArray() : throw new InvalidOperationException(errors.Result);
    }

    /// <summary>What find(1) says of the tree, by key.</summary>
    Dictionary<string, string> Oracle()
    {
        // Times and sizes of directories are the filesystem's business, so they are not compared.
        byte[] output = Run("""find "$1" -mindepth 0 \( -type d -printf '%P\0%y 0 %m %U %G %T@ \0' -o -printf '%P\0%y %s %m %U %G %T@ %l\0' \)""", _root);
        string[] fields = Encoding.Latin1.GetString(output).Split('\0');
        return Enumerable.Range(0, fields.Length / 2).ToDictionary(i => fields[2 * i], i => fields[2 * i + 1]);
    }

    static string Describe(SourceEntry e)
    {
        string kind = e.Kind switch { EntryKind.Directory => "d", EntryKind.File => "f", EntryKind.Symlink => "l", _ => e.Remark switch { "pipe" => "p", "socket" => "s", _ => "?" } };
        // As find does: seconds rounded down, then what is above them.
        long seconds = (long)Math.Floor(e.MtimeNs / 1_000_000_000m);
        string time = $"{seconds}.{e.MtimeNs - seconds * 1_000_000_000:d9}0";
        return $"{kind} {e.Size} {Convert.ToString(e.Mode, 8)} {e.Uid} {e.Gid} {time} {Encoding.Latin1.GetString(e.LinkTarget ?? [])}";
    }

    const string OddTree = """
        set -e; cd "$1"
        mkdir -p $'a\nb/c d' $'\xff\xfe' 'deep/1/2/3/4/5/6/7/8/9' empty
        printf x > $'a\nb/c d/"quote\'s"'; printf xy > $'\xff\xfe/\x80\x01'; printf '' > empty-file; printf z > 'ünïcode 中 😀'
        ln -s ../nowhere dangling; ln -s $'\xff\xfe' dirlink; ln -s /etc/passwd outside; ln empty-file hard-link
        printf 12345 > deep/1/2/3/4/5/6/7/8/9/end; truncate -s 5G sparse; printf end | dd of=sparse bs=1 seek=3000000000 conv=notrunc status=none
        mkfifo pipe; chmod 640 deep/1/2/3/4/5/6/7/8/9/end; chmod 4755 empty-file
        touch -d '1969-07-20 20:17:40.123456789 UTC' 'ünïcode 中 😀'; touch -d '2200-01-01 UTC' hard-link
        touch $(seq -f deep/1/2/f%g 1200)
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_listing_equals_what_find_says_whatever_the_names(bool stepwise)
    {
        Run(OddTree, _root);
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_root + "/socket"));
        await using LocalDirectorySource source = Open();
        source.Tree.Stepwise = stepwise;
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);

        Dictionary<string, string> oracle = Oracle();
        Assert.Equal(oracle.Keys.Order(StringComparer.Ordinal), entries.Keys.Order(StringComparer.Ordinal));
        foreach ((string key, string expected) in oracle) Assert.Equal($"{key}: {expected}", $"{key}: {Describe(entries[key])}");
        Assert.Equal(EntryKind.Unsupported, entries["pipe"].Kind);

        Assert.Equal("xy"u8.ToArray(), await TestSources.ReadAsync(source, entries["\u00ff\u00fe/\u0080\u0001"]));
        Assert.Equal("12345"u8.ToArray(), await TestSources.ReadAsync(source, entries["deep/1/2/3/4/5/6/7/8/9/end"]));
        Assert.Equal("\0\0end\0"u8.ToArray(), await TestSources.ReadAsync(source, entries["sparse"], 2_999_999_998, 6));
        Assert.Equal([0], await TestSources.ReadAsync(source, entries["sparse"], (5L << 30) - 1, 1));
        Assert.NotEqual(entries["deep/1/2/f1"].VersionTag, entries["deep/1/2/f2"].VersionTag);
        Assert.Equal(entries["empty-file"].VersionTag, entries["hard-link"].VersionTag);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tree_deeper_than_any_path_can_name_is_listed_and_read(bool stepwise)
    {
        // 60 × 200 bytes, three times PATH_MAX.
        string name = new('n', 200);
        Run("cd \"$1\"; for i in $(seq 60); do mkdir $2; cd $2; done; printf deepest > file", _root, name);
        await using LocalDirectorySource source = Open();
        source.Tree.Stepwise = stepwise;
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        string key = string.Concat(Enumerable.Repeat(name + "/", 60)) + "file";
        Assert.Equal(62, entries.Count);
        Assert.Equal("deepest"u8.ToArray(), await TestSources.ReadAsync(source, entries[key]));
    }

    [Fact]
    public async Task Random_ranges_equal_the_content()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        byte[] content = TestSources.Bytes(random, 3_000_001);
        await File.WriteAllBytesAsync(_root + "/file", content);
        await using LocalDirectorySource source = Open();
        SourceEntry entry = (await TestSources.ListAsync(source))["file"];
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), async (_, _) =>
        {
            int offset, length;
            lock (random)
            {
                offset = random.Next(content.Length);
                length = random.Next(content.Length - offset + 1);
            }
            byte[] read = await TestSources.ReadAsync(source, entry, offset, length);
            Assert.True(content.AsSpan(offset, length).SequenceEqual(read), $"seed {seed}: {offset}+{length}");
        });
    }

    /// <summary>Each in a directory of its own, which holds dir/file.</summary>
    static readonly (string What, string Script)[] Changes =
    [
        ("rewritten in place with the same size", "printf 9 | dd of=dir/file conv=notrunc status=none"),
        ("rewritten and its mtime set back", "touch -r dir/file ref; printf 9 | dd of=dir/file conv=notrunc status=none; touch -r ref dir/file"),
        ("replaced", "printf 0123456789 > other; touch -r dir/file other; mv other dir/file"),
        ("appended to", "printf x >> dir/file"),
        ("truncated", "truncate -s 5 dir/file"),
        ("deleted", "rm dir/file"),
        ("replaced by a directory", "rm dir/file; mkdir dir/file"),
        ("replaced by a pipe", "rm dir/file; mkfifo dir/file"),
        ("replaced by a link to the same content", "mv dir/file kept; ln -s ../kept dir/file"),
        ("below a directory that became a link", "mv dir moved; ln -s moved dir"),
        ("below a directory that became a file", "rm -r dir; printf x > dir"),
    ];

    [Fact]
    public async Task A_file_is_changed_when_it_was()
    {
        for (int i = 0; i < Changes.Length; i++) Run("mkdir -p \"$1/$2/dir\"; printf 0123456789 > \"$1/$2/dir/file\"", _root, $"{i}");
        await using LocalDirectorySource source = Open();
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        for (int i = 0; i < Changes.Length; i++)
        {
            (string what, string script) = Changes[i];
            SourceEntry entry = entries[$"{i}/dir/file"];
            Assert.Equal("0123456789"u8.ToArray(), await TestSources.ReadAsync(source, entry));
            Run("cd \"$1/$2\"; " + script, _root, $"{i}");
            foreach (bool stepwise in (bool[])[false, true])
            {
                source.Tree.Stepwise = stepwise;
                SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entry));
                Assert.True(e.Fault == SourceFault.Changed, $"{what}: {e.Fault} {e.Message}");
                Assert.Contains($"{_root}/{i}/dir/file", e.Message);
            }
        }
    }

    /// <summary>Memory that calls out when it is written to: that is, between the checks before and after a read.</summary>
    sealed class CallingMemory(int length, Action written) : System.Buffers.MemoryManager<byte>
    {
        readonly byte[] _bytes = new byte[length];

        public override Span<byte> GetSpan()
        {
            written();
            return _bytes;
        }

        public override System.Buffers.MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }

    [Fact]
    public async Task A_file_that_changes_during_a_read_is_changed_and_not_a_mixture()
    {
        await File.WriteAllBytesAsync(_root + "/file", new byte[1_000_000]);
        await using LocalDirectorySource source = Open();
        SourceEntry entry = (await TestSources.ListAsync(source))["file"];
        int writes = 0;
        CallingMemory memory = new(1_000_000, () =>
        {
            if (++writes != 2) return;
            using FileStream file = File.OpenWrite(_root + "/file");
            file.Position = 900_000;
            file.WriteByte(1);
        });
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => source.ReadAsync(TestSources.File(entry), 0, memory.Memory, default).AsTask());
        Assert.Equal(SourceFault.Changed, e.Fault);
        Assert.InRange(writes, 3, 10);
    }

    [Fact]
    public async Task A_file_that_changes_while_listed_is_listed_as_it_came_to_rest()
    {
        await File.WriteAllTextAsync(_root + "/file", "first");
        await using LocalDirectorySource source = Open();
        Task<Dictionary<string, SourceEntry>> listing = TestSources.ListAsync(source);
        await Task.Delay(500);
        await File.WriteAllTextAsync(_root + "/file", "second version");
        SourceEntry entry = (await listing)["file"];
        Assert.Equal("second version", Encoding.ASCII.GetString(await TestSources.ReadAsync(source, entry)));
    }

    [Fact]
    public async Task A_file_that_never_rests_is_listed_all_the_same_and_its_reads_are_guarded()
    {
        using CancellationTokenSource stop = new();
        File.WriteAllText(_root + "/busy", $"{0:d10}");
        // In place, as a file that is empty for a moment may be listed so. A thread of its own: the pool may be busy for longer
        // than a file needs to come to rest.
        Thread writer = new(() =>
        {
            using FileStream file = new(_root + "/busy", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            for (int i = 1; !stop.IsCancellationRequested; i++)
            {
                file.Position = 0;
                file.Write(Encoding.ASCII.GetBytes($"{i:d10}"));
                Thread.Sleep(100);
            }
        })
        { IsBackground = true };
        writer.Start();
        await using LocalDirectorySource source = Open();
        SourceEntry entry = (await TestSources.ListAsync(source))["busy"];
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entry));
        Assert.Equal(SourceFault.Changed, e.Fault);
        await stop.CancelAsync();
        writer.Join();
    }

    [Fact]
    public async Task A_file_is_not_read_before_its_identity_can_be_trusted()
    {
        await File.WriteAllTextAsync(_root + "/file", "content");
        await using LocalDirectorySource source = Open();
        FileDescriptor root = source.Tree.OpenRoot();
        Assert.True(DirectoryTree.TryStat(root, "file"u8, force: false, out Libc.Statx stat));
        root.Dispose();
        byte[] bytes = new byte[7];
        await source.ReadAsync(new SourceFile("file"u8.ToArray(), 7, new FileIdentity(stat).ToTag()), 0, bytes, CancellationToken.None);
        Assert.Equal("content"u8.ToArray(), bytes);
        Assert.True(FileIdentity.NowNs - stat.Ctime.TotalNanoseconds >= FileIdentity.SettledAfterNs);
    }

    [Fact]
    public void Each_part_of_an_identity_tells_versions_apart()
    {
        Libc.Statx stat = new() { Ino = 7, Ctime = { Seconds = 1_700_000_000, Nanoseconds = 5 }, Mtime = { Seconds = 1_700_000_000, Nanoseconds = 5 } };
        Libc.Statx inode = stat, ctime = stat, mtime = stat, both = stat;
        inode.Ino++;
        ctime.Ctime.Nanoseconds++;
        mtime.Mtime.Nanoseconds++;
        both.Ctime.Nanoseconds++;
        both.Mtime.Nanoseconds++;
        Assert.Equal(5, new[] { stat, inode, ctime, mtime, both }.Select(s => Convert.ToHexString(new FileIdentity(s).ToTag())).Distinct().Count());
        Assert.True(FileIdentity.TryParse(new FileIdentity(stat).ToTag(), out FileIdentity parsed));
        Assert.Equal(new FileIdentity(stat), parsed);
    }

    [Theory]
    [InlineData(0, 2_000_000_000)]
    [InlineData(500_000_000, 1_500_000_000)]
    [InlineData(2_000_000_000, 0)]
    [InlineData(60_000_000_000, 0)]
    [InlineData(-3_600_000_000_000, 2_000_000_000)]
    public void A_change_time_is_trusted_after_two_seconds(long ageNs, long waitNs) =>
        Assert.Equal(waitNs, FileIdentity.UnsettledForNs(5_000_000_000_000 - ageNs, 5_000_000_000_000));

    [Fact]
    public async Task Directories_without_permission_are_listed_as_unsupported_and_files_are_denied()
    {
        Run("cd \"$1\"; mkdir closed unsearchable; printf x > closed/in; printf x > unsearchable/in; printf x > secret; chmod 000 closed secret; chmod 744 unsearchable; chmod 755 .", _root);
        await using LocalDirectorySource source = Open();
        Dictionary<string, SourceEntry> entries = AsNobody(() => TestSources.ListAsync(source).Result);
        Assert.Equal(["", "closed", "secret", "unsearchable", "unsearchable/in"], entries.Keys.Order());
        Assert.Equal((EntryKind.Unsupported, "directory without permission to read it"), (entries["closed"].Kind, entries["closed"].Remark));
        Assert.Equal(EntryKind.Unsupported, entries["unsearchable/in"].Kind);

        SourceException e = AsNobody(() => Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entries["secret"])).Result);
        Assert.Equal(SourceFault.Denied, e.Fault);
        Assert.Contains("permission denied", e.Message);
    }

    /// <summary>
    /// As an unprivileged user, also when the tests run as root: a thread's filesystem user is its own, and the threads it
    /// starts inherit it (setfsuid(2), credentials(7)).
    /// </summary>
    static T AsNobody<T>(Func<T> action)
    {
        T result = default!;
        Exception? fault = null;
        Thread thread = new(() =>
        {
            if (Environment.UserName == "root") Assert.Equal(0, SetFsUid(65534));
            try
            {
                result = action();
            }
            catch (Exception e)
            {
                fault = e;
            }
        });
        thread.Start();
        thread.Join();
        return fault is null ? result : throw new InvalidOperationException(fault.Message, fault);
    }

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial int SetFsUid(uint user);

    [Fact]
    public async Task A_root_that_is_missing_or_no_directory_is_misconfigured()
    {
        await File.WriteAllTextAsync(_root + "/file", "x");
        foreach (string path in (string[])[_root + "/missing", _root + "/file"])
        {
            await using ISource source = SourceFactory.Open(path, new SourceOptions());
            SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
            Assert.Equal(SourceFault.Misconfigured, e.Fault);
            Assert.Contains(path, e.Message);
        }
    }

    [Fact]
    public async Task A_root_that_is_a_link_is_followed()
    {
        Run("cd \"$1\"; mkdir real; printf x > real/file; ln -s real link", _root);
        await using ISource source = SourceFactory.Open(_root + "/link", new SourceOptions());
        Assert.Equal(["", "file"], (await TestSources.ListAsync(source)).Keys.Order());
    }

    [Fact]
    public async Task A_root_whose_storage_went_away_is_unavailable_and_not_changed()
    {
        Run("cd \"$1\"; mkdir nas; printf x > nas/file", _root);
        await using ISource source = SourceFactory.Open(_root + "/nas", new SourceOptions());
        SourceEntry entry = (await TestSources.ListAsync(source))["file"];
        // What an unmounted NAS leaves: an empty directory, another one.
        Run("cd \"$1\"; mv nas away; mkdir nas", _root);
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entry));
        Assert.Equal(SourceFault.Unavailable, e.Fault);
        Run("cd \"$1\"; rmdir nas; mv away nas", _root);
        Assert.Equal("x"u8.ToArray(), await TestSources.ReadAsync(source, entry));
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("a/../../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData("./a")]
    [InlineData("")]
    [InlineData("a\0b")]
    public async Task A_key_that_no_listing_gave_is_refused(string key)
    {
        await using LocalDirectorySource source = Open();
        SourceFile file = new(Encoding.UTF8.GetBytes(key), 1, new byte[FileIdentity.TagSize]);
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => source.ReadAsync(file, 0, new byte[1], default).AsTask());
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
    }

    [Fact]
    public async Task A_consumer_that_stops_stops_the_walk()
    {
        Run("cd \"$1\"; for d in $(seq 200); do mkdir $d; done", _root);
        using CancellationTokenSource stop = new();
        await using LocalDirectorySource source = Open();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (IReadOnlyList<SourceEntry> _ in source.ListAsync(stop.Token))
            {
            }
        });
    }

    sealed class StuckJob(ManualResetEventSlim release, byte[] target) : BlockingJob
    {
        public bool? Published { get; private set; }
        public ManualResetEventSlim Ran { get; } = new();

        protected override void Execute()
        {
            release.Wait();
            Published = Publish(target, static t => t[0] = 1);
            Ran.Set();
        }
    }

    [Fact]
    public async Task A_call_that_hangs_answers_at_its_deadline_and_never_writes_later()
    {
        BlockingThreads threads = new(limit: 2, "test");
        using ManualResetEventSlim release = new();
        byte[] target = [0];
        StuckJob[] stuck = [new(release, target), new(release, target), new(release, target)];
        foreach (StuckJob job in stuck)
        {
            threads.Start(job);
            await Assert.ThrowsAsync<TimeoutException>(() => job.WaitAsync(TimeSpan.FromMilliseconds(50), CancellationToken.None));
        }
        release.Set();
        stuck[0].Ran.Wait();
        stuck[1].Ran.Wait();
        Assert.False(stuck[0].Published);
        Assert.False(stuck[1].Published);
        Assert.Equal(0, target[0]);

        // The threads are free again, and what was given up in the queue is passed over.
        StuckJob next = new(release, target);
        threads.Start(next);
        await next.WaitAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
        Assert.Equal(1, target[0]);
        Assert.Null(stuck[2].Published);
    }
}
