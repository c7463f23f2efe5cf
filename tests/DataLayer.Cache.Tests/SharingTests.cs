using Xunit;
using Xunit.Abstractions;

namespace DataLayer.Cache.Tests;

public sealed class SharingTests(ITestOutputHelper output)
{
    const long Roomy = 1L << 30;

    [Fact]
    public async Task Two_processes_reading_one_dataset_at_once_fetch_every_file_once()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = StoreProcess.SnapshotOf(1);
        await using StoreProcess first = await StoreProcess.StartAsync(folder.Cache, Roomy, 1, 2, "set");
        await using StoreProcess second = await StoreProcess.StartAsync(folder.Cache, Roomy, 1, 2, "set");
        StoreProcess.Answer[] answers = await Task.WhenAll(first.AskAsync("epoch 1"), second.AskAsync("epoch 2"));
        output.WriteLine($"source reads {answers[0].SourceReads} + {answers[1].SourceReads}, bytes {answers.Sum(a => a.SourceBytes)} of {snapshot.TotalBytes}");
        Assert.True(answers[0].IsOwner);
        Assert.False(answers[1].IsOwner);
        Assert.Equal(snapshot.TotalBytes, answers.Sum(a => a.SourceBytes));
        Assert.All(answers, a => Assert.Equal(0, a.BadChecksums));
        StoreProcess.Answer again = await second.AskAsync("epoch 3");
        Assert.Equal(answers[1].SourceReads, again.SourceReads);
        Assert.Equal(snapshot.TotalBytes, again.Cached);
    }

    [Fact]
    public async Task When_the_owner_is_killed_another_process_takes_over_and_no_read_fails()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = StoreProcess.SnapshotOf(2);
        StoreProcess owner = await StoreProcess.StartAsync(folder.Cache, Roomy, 2, 1, "set");
        await using StoreProcess second = await StoreProcess.StartAsync(folder.Cache, Roomy, 2, 1, "set");
        await using StoreProcess third = await StoreProcess.StartAsync(folder.Cache, Roomy, 2, 1, "set");
        await second.AskAsync("loop");
        await third.AskAsync("loop");
        await owner.AskAsync("loop");
        await owner.KillAsync();
        await owner.DisposeAsync();
        await AwaitAsync(async () =>
        {
            StoreProcess.Answer[] answers = await Task.WhenAll(second.AskAsync("stats"), third.AskAsync("stats"));
            return answers.Count(a => a.IsOwner) == 1 && answers.All(a => a.Attached && a.Cached == snapshot.TotalBytes);
        });
        await second.AskAsync("quit");
        await third.AskAsync("quit");
    }

    static async Task AwaitAsync(Func<Task<bool>> condition)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        while (!await condition()) await Task.Delay(20, limit.Token);
    }

    [Fact]
    public async Task Killed_at_any_moment_nothing_that_was_present_is_lost_and_no_byte_is_wrong()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = StoreProcess.SnapshotOf(3);
        int seed = Environment.TickCount;
        Random random = new(seed);
        long before = 0;
        for (int round = 0; round < 6; round++)
        {
            await using (StoreProcess child = await StoreProcess.StartAsync(folder.Cache, Roomy, 3, 3, "set"))
            {
                StoreProcess.Answer start = await child.AskAsync("loop");
                Assert.True(start.Cached >= before, $"round {round}: {start.Cached} cached after the kill, {before} before (seed {seed})");
                // Any moment between now and the last file: a random share of what is left.
                long until = start.Cached + (long)((snapshot.TotalBytes - start.Cached) * random.NextDouble() * 0.5);
                await AwaitAsync(async () => (before = (await child.AskAsync("stats")).Cached) >= until);
                await child.KillAsync();
            }
            StoreCheckResult check = await StoreCheck.RunAsync(folder.Cache, markAbsent: false, null, CancellationToken.None);
            Assert.Equal(0, check.UnitsBad);
            Assert.Equal(0, check.DamagedBlockFiles);
            Assert.True(check.BytesOk >= before, $"{check.BytesOk} on disk, {before} were reported (seed {seed})");
        }
        output.WriteLine($"cached after 6 kills: {before} of {snapshot.TotalBytes}");
    }

    [Fact]
    public async Task What_the_owner_evicts_is_closed_by_the_other_processes_and_its_space_comes_back()
    {
        using CacheFolder folder = new();
        FakeSnapshot old = StoreProcess.SnapshotOf(4);
        long capacity = old.TotalBytes * 13 / 10;
        await using StoreProcess owner = await StoreProcess.StartAsync(folder.Cache, capacity, 5, 0, "other");
        await using (StoreProcess client = await StoreProcess.StartAsync(folder.Cache, capacity, 4, 0, "old"))
        {
            await client.AskAsync("epoch 1");
            // The client keeps its files open and its dataset is active: the newcomer gets its share of them.
            for (int epoch = 2; epoch < 5; epoch++) await owner.AskAsync($"epoch {epoch}");
            StoreProcess.Answer shared = await owner.AskAsync("stats"), left = await client.AskAsync("epoch 5");
            output.WriteLine($"capacity {capacity}: newcomer {shared.Cached}, first {left.Cached}, used {shared.Used}, evictions {shared.Evictions}");
            Assert.True(shared.Evictions > 0);
            // Half, and what the last evicted block file gave more than was asked for: at most the large one of 5 MB.
            const long largest = 5_000_000;
            Assert.InRange(shared.Cached, (long)(0.4 * capacity), (capacity / 2) + largest);
            Assert.InRange(shared.Used, 0, capacity);
        }
        // The client is gone: its dataset is idle and gives way to the rest.
        int next = 6;
        await AwaitAsync(async () => (await owner.AskAsync($"epoch {next++}")).Cached == StoreProcess.SnapshotOf(5).TotalBytes);
    }

    [Fact]
    public async Task A_store_is_never_shared_between_users()
    {
        using CacheFolder folder = new();
        Directory.CreateDirectory(folder.Cache);
        Chown(folder.Cache, "65534");
        StoreException refused = await Assert.ThrowsAsync<StoreException>(() => folder.OpenAsync());
        Assert.Contains("65534", refused.Message, StringComparison.Ordinal);
        Chown(folder.Cache, "0");
    }

    static void Chown(string path, string user)
    {
        using System.Diagnostics.Process chown = System.Diagnostics.Process.Start("chown", [user, path]);
        chown.WaitForExit();
        Assert.Equal(0, chown.ExitCode);
    }

    [Fact]
    public async Task The_cache_directory_is_for_its_user_alone_and_reached_by_a_path_of_any_length()
    {
        using CacheFolder folder = new();
        string deep = Path.Combine(folder.Path, new string('d', 120), new string('e', 120), "cache");
        BlockStoreOptions options = new() { Directory = deep, Capacity = Roomy, DiskReserve = 0 };
        await using BlockStore owner = await BlockStore.OpenAsync(options, CancellationToken.None);
        await using BlockStore client = await BlockStore.OpenAsync(options, CancellationToken.None);
        Assert.Equal(0, Libc.Stat(deep, out _, out int mode));
        Assert.Equal(0x1C0, mode & 0x1FF); // 0700
        Assert.True(owner.Statistics.IsOwner);
        Assert.True(client.Statistics.Attached && !client.Statistics.IsOwner);
    }
}
