using DataLayer.TestReader;
using Xunit;

namespace DataLayer.Fuse.Tests;

/// <summary>Many readers, answers at once and later, and invalidation all the time: no byte may be wrong.</summary>
public sealed class StressTests
{
    public static TheoryData<FuseTransportKind> Transports() => [.. TestTransports.Available];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Concurrent_readers_see_only_right_bytes(FuseTransportKind transport)
    {
        const int readers = 4;
        int seed = Random.Shared.Next();
        MemoryFileSystem files = new();
        Random sizes = new(seed);
        List<MemoryNode> all = [];
        for (int i = 0; i < 24; i++)
            all.Add(files.AddFile(files.Root, $"f{i}", sizes.Next(0, 1_500_000), i % 2 == 0 ? MemoryFileKind.Normal : MemoryFileKind.Late));
        // A pool that is often exhausted.
        using TestMount mount = new(files, new FuseOptions { Transport = transport, PayloadPoolSize = 2 << 20 });
        Task<string?>[] reading = [.. Enumerable.Range(0, readers).Select(reader => Task.Run(() => Read(mount, all, new Random(seed + reader))))];
        Random random = new(seed - 1);
        Task done = Task.WhenAll(reading);
        while (!done.IsCompleted)
        {
            mount.Connection.InvalidateInode(new FuseNodeId(all[random.Next(all.Count)].Id));
            await Task.WhenAny(done, Task.Delay(1));
        }
        foreach (Task<string?> one in reading) Assert.True(await one is null, $"Seed {seed}: {await one}");
        Assert.Empty(mount.Lines);
        FuseStatistics statistics = mount.Connection.Statistics();
        Assert.Equal((0L, 0L, 0L), (statistics.Pending, statistics.PayloadBytesHeld, statistics.Errors));
    }

    static string? Read(TestMount mount, List<MemoryNode> all, Random random)
    {
        string[] ways = ["sequential", "odd", "random", "mmap", "sendfile", "direct"];
        using TestReader reader = new();
        for (int i = 0; i < 25; i++)
        {
            int index = random.Next(all.Count);
            string way = ways[random.Next(ways.Length)];
            string answer = reader.Ask("verify", way, mount.At($"f{index}"), all[index].Seed, all[index].Size);
            if (answer != "ok") return $"f{index} {way}: {answer}";
        }
        return null;
    }
}
