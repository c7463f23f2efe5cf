using System.Diagnostics;
using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class DiskFaultTests
{
    /// <summary>A small file system of its own, as root or through sudo.</summary>
    sealed class SmallDisk : IDisposable
    {
        readonly CacheFolder _folder = new();

        public SmallDisk(string size)
        {
            Directory.CreateDirectory(Path);
            Run("mount", "-t", "tmpfs", "-o", $"size={size},mode=0700,uid={Libc.GetEUid()}", "tmpfs", Path);
        }

        public string Path => System.IO.Path.Combine(_folder.Path, "disk");

        public string Cache => System.IO.Path.Combine(Path, "cache");

        public void Remount(string options) => Run("mount", "-o", $"remount,{options}", Path);

        static void Run(params string[] command)
        {
            using Process process = Libc.GetEUid() == 0 ? Process.Start(command[0], command[1..]) : Process.Start("sudo", ["-n", .. command]);
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
        }

        public void Dispose()
        {
            Run("umount", "-l", Path);
            _folder.Dispose();
        }
    }

    static readonly FakeSnapshot Snapshot = new(60, [.. Enumerable.Repeat(100_000, 100), 3 << 20], packTarget: 1 << 20);

    static async Task ReadAllAsync(DatasetReader reader)
    {
        foreach (FileLocation file in Snapshot.Files)
            Assert.Equal(Snapshot.Content(file, 0, (int)file.Length), await DatasetReaderTests.ReadAsync(reader, file, 0, (int)file.Length));
    }

    [Fact]
    public async Task A_disk_that_is_full_costs_one_warning_and_no_read_and_is_used_again_when_there_is_room()
    {
        using SmallDisk disk = new("16m");
        using CacheFolder folder = new();
        List<string> warnings = [];
        await using BlockStore store = await folder.OpenAsync(warnings: warnings, directory: disk.Cache);
        await using DatasetReader reader = new(store, Snapshot, [new FakeSource()], new DatasetOptions { Name = "set" });
        await DatasetReaderTests.ReadAsync(reader, Snapshot.Files[0], 0, 100);
        // Something else takes the rest of the disk, after blocks were admitted against its free space.
        await FillAsync(Path.Combine(disk.Path, "ballast"));
        await ReadAllAsync(reader);
        await ReadAllAsync(reader);
        Assert.Single(warnings);
        Assert.Contains(disk.Cache, warnings[0], StringComparison.Ordinal);
        disk.Remount("size=64m");
        await Wait.Until(() => !store.IsSuspended, "the disk is tried again");
        await ReadAllAsync(reader);
        await Wait.Until(() =>
        {
            ReadAllAsync(reader).GetAwaiter().GetResult();
            return Snapshot.Files.All(f => reader.CachedBytes(f) == f.Length);
        }, "everything is cached");
        Assert.Single(warnings);
    }

    static async Task FillAsync(string path)
    {
        await using FileStream ballast = new(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        byte[] block = new byte[4096];
        try
        {
            for (; ; ) await ballast.WriteAsync(block);
        }
        catch (IOException) { }
    }

    [Fact]
    public async Task A_disk_near_its_reserve_admits_nothing_more_and_says_so_once()
    {
        using SmallDisk disk = new("16m");
        List<string> warnings = [];
        await using BlockStore store = await BlockStore.OpenAsync(new BlockStoreOptions
        {
            Directory = disk.Cache,
            Capacity = 1 << 30,
            DiskReserve = 10 << 20,
            Warn = line => { lock (warnings) warnings.Add(line); },
        }, CancellationToken.None);
        await using DatasetReader reader = new(store, Snapshot, [new FakeSource()], new DatasetOptions { Name = "set" });
        await ReadAllAsync(reader);
        await ReadAllAsync(reader);
        Assert.InRange(store.Space.Used, 1, 6 << 20);
        Assert.True(new DriveInfo(disk.Path).AvailableFreeSpace >= 10 << 20);
        Assert.Single(warnings);
    }

    [Fact]
    public async Task A_read_only_cache_directory_costs_one_warning_and_no_read()
    {
        using SmallDisk disk = new("16m");
        using CacheFolder folder = new();
        Directory.CreateDirectory(disk.Cache);
        disk.Remount("ro");
        List<string> warnings = [];
        await using BlockStore store = await folder.OpenAsync(warnings: warnings, directory: disk.Cache);
        await using DatasetReader reader = new(store, Snapshot, [new FakeSource()], new DatasetOptions { Name = "set" });
        await ReadAllAsync(reader);
        Assert.Single(warnings);
        Assert.False(store.Statistics.Attached);
        disk.Remount("rw");
        await Wait.Until(() => store.Statistics.Attached, "the directory is tried again");
        await ReadAllAsync(reader);
        await Wait.Until(() => Snapshot.Files.Sum(f => reader.CachedBytes(f)) > 0, "something is cached");
        Assert.Single(warnings);
    }

    [Fact]
    public async Task A_flipped_bit_is_a_miss_and_the_unit_is_fetched_again()
    {
        using CacheFolder folder = new();
        FakeSource source = new();
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = new(store, Snapshot, [source], new DatasetOptions { Name = "set" }))
        {
            await reader.WarmAsync([.. Snapshot.Files.Select(f => f.Entry)], null, CancellationToken.None);
        }
        Random random = new(1);
        HashSet<FileLocation> damaged = [];
        foreach (FileLocation file in Snapshot.Files.Where((_, i) => i % 7 == 2 || i == 100))
        {
            damaged.Add(file);
            await FlipAsync(new StorePaths(folder.Cache).Data(file.BlockFile), file.Offset + random.NextInt64(file.Length), random);
        }
        StoreCheckResult check = await StoreCheck.RunAsync(folder.Cache, markAbsent: false, null, CancellationToken.None);
        Assert.Equal(damaged.Count, check.UnitsBad);
        Assert.Equal(damaged.Select(f => f.BlockFile).Order(ById).Distinct(), check.Bad.Select(b => b.BlockFile).Order(ById).Distinct());
        Assert.All(check.Bad, bad => Assert.Contains(damaged, f => f.BlockFile == bad.BlockFile && bad.Offset >= f.Offset && bad.Offset < f.Offset + f.Length));
        long before = source.Bytes;
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = new(store, Snapshot, [source], new DatasetOptions { Name = "set" }))
        {
            // Pieces as well as whole files: a piece is given out only after its whole unit was checked.
            foreach (FileLocation file in Snapshot.Files)
                for (int at = 0; at < file.Length; at += 33_000)
                    Assert.Equal(Snapshot.Content(file, at, 33_000), await DatasetReaderTests.ReadAsync(reader, file, at, 33_000));
            Assert.Equal(damaged.Count, store.Statistics.BadChecksums);
        }
        Assert.Equal(damaged.Sum(f => Math.Min(f.Length, 1 << 20)), source.Bytes - before);
        Assert.Equal(0, (await StoreCheck.RunAsync(folder.Cache, markAbsent: false, null, CancellationToken.None)).UnitsBad);
    }

    static readonly Comparer<BlockFileId> ById = Comparer<BlockFileId>.Create((a, b) => string.CompareOrdinal(a.ToString(), b.ToString()));

    internal static async Task FlipAsync(string path, long offset, Random random)
    {
        await using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        int value = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(value ^ 1 << random.Next(8)));
    }

    [Fact]
    public async Task Check_marks_bad_units_absent_when_told_to()
    {
        using CacheFolder folder = new();
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = new(store, Snapshot, [new FakeSource()], new DatasetOptions { Name = "set" }))
            await reader.WarmAsync([.. Snapshot.Files.Select(f => f.Entry)], null, CancellationToken.None);
        await FlipAsync(new StorePaths(folder.Cache).Data(Snapshot.Files[100].BlockFile), (2 << 20) + 5, new Random(2));
        Assert.Equal(1, (await StoreCheck.RunAsync(folder.Cache, markAbsent: true, null, CancellationToken.None)).UnitsBad);
        StoreCheckResult after = await StoreCheck.RunAsync(folder.Cache, markAbsent: false, null, CancellationToken.None);
        Assert.Equal((0, 1, Snapshot.TotalBytes - (1 << 20)), (after.UnitsBad, after.UnitsAbsent, after.BytesOk));
    }

    [Fact]
    public async Task Truncated_missing_and_foreign_files_in_the_directory_are_misses()
    {
        using CacheFolder folder = new();
        FakeSource source = new();
        async Task WarmAsync()
        {
            await using BlockStore store = await folder.OpenAsync();
            await using DatasetReader reader = new(store, Snapshot, [source], new DatasetOptions { Name = "set" });
            await ReadAllAsync(reader);
            await Wait.Until(() => reader.Queue.IsIdle, "filled");
        }
        await WarmAsync();
        Random random = new(3);
        for (int round = 0; round < 8; round++)
        {
            foreach (string path in Directory.GetFiles(Path.Combine(folder.Cache, "blocks"), "*", SearchOption.AllDirectories))
            {
                switch (random.Next(10))
                {
                    case 0:
                        File.Delete(path);
                        break;
                    case 1:
                        await using (FileStream file = new(path, FileMode.Open)) file.SetLength(random.NextInt64(file.Length));
                        break;
                    case 2:
                        await File.WriteAllTextAsync(path, "something else");
                        break;
                    case 3:
                        await FlipAsync(path, random.NextInt64(Math.Max(1, new FileInfo(path).Length)), random);
                        break;
                }
            }
            await File.WriteAllTextAsync(Path.Combine(folder.Cache, "blocks", "00", "a stranger"), "left alone");
            await File.WriteAllTextAsync(Path.Combine(folder.Cache, "blocks", "00", new string('0', 64)), "a data file without sidecar");
            await File.WriteAllTextAsync(Path.Combine(folder.Cache, "blocks", "01", new string('0', 64)), "in another's folder");
            await WarmAsync();
        }
        Assert.True(File.Exists(Path.Combine(folder.Cache, "blocks", "00", "a stranger")));
        Assert.False(File.Exists(Path.Combine(folder.Cache, "blocks", "00", new string('0', 64))));
    }

    [Fact]
    public async Task A_directory_of_another_format_or_of_something_else_is_refused_with_a_remedy()
    {
        using CacheFolder folder = new();
        await using (BlockStore store = await folder.OpenAsync()) { }
        await File.WriteAllTextAsync(Path.Combine(folder.Cache, "version"), "datalayer block store 2\n");
        StoreException newer = await Assert.ThrowsAsync<StoreException>(() => folder.OpenAsync());
        Assert.Contains("delete it, use another cache directory", newer.Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "precious"), "data");
        StoreException other = await Assert.ThrowsAsync<StoreException>(() => folder.OpenAsync(directory: folder.Path));
        Assert.Contains("neither empty nor a cache directory", other.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StoreException>(() => folder.OpenAsync(directory: Path.Combine(folder.Path, "precious")));
    }

    [Fact]
    public async Task A_smaller_capacity_is_reached_when_the_store_opens()
    {
        using CacheFolder folder = new();
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = new(store, Snapshot, [new FakeSource()], new DatasetOptions { Name = "set" }))
            await reader.WarmAsync([.. Snapshot.Files.Select(f => f.Entry)], null, CancellationToken.None);
        await using BlockStore smaller = await folder.OpenAsync(capacity: 5_000_000);
        Assert.InRange(smaller.Space.Used, 1, 5_000_000);
        await using DatasetReader again = new(smaller, Snapshot, [new FakeSource()], new DatasetOptions { Name = "set" });
        await ReadAllAsync(again);
    }
}
