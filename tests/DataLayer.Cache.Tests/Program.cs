using System.Globalization;
using DataLayer.Formats;

namespace DataLayer.Cache.Tests;

/// <summary>
/// The child process of <see cref="StoreProcess"/>: one store, one reader, commands on standard input, one line of answer
/// for each. Any wrong byte or failed read ends it with exit code 3.
/// </summary>
internal static class Program
{
    static async Task<int> Main(string[] args)
    {
        if (args[0] == "measure") return await Measurement.RunAsync(args[1..]);
        if (args[0] == "measure-local") return await LocalMeasurement.RunAsync(args[1..]);
        string cache = args[0];
        long capacity = long.Parse(args[1], CultureInfo.InvariantCulture);
        FakeSnapshot snapshot = StoreProcess.SnapshotOf(int.Parse(args[2], CultureInfo.InvariantCulture));
        int delay = int.Parse(args[3], CultureInfo.InvariantCulture);
        FakeSource source = new();
        if (delay > 0) source.Before = (_, cancellation) => Task.Delay(delay, cancellation);
        await using BlockStore store = await BlockStore.OpenAsync(
            new BlockStoreOptions { Directory = cache, Capacity = capacity, DiskReserve = 0, Warn = Console.Error.WriteLine }, CancellationToken.None);
        await using DatasetReader reader = new(store, snapshot, [source], new DatasetOptions { Name = args[4], ReadDeadline = TimeSpan.FromSeconds(20) });
        await Console.Out.WriteLineAsync("ready");
        CancellationTokenSource stop = new();
        Task looping = Task.CompletedTask;
        while (await Console.In.ReadLineAsync() is { } line)
        {
            string[] words = line.Split(' ');
            switch (words[0])
            {
                case "epoch":
                    await EpochAsync(reader, snapshot, int.Parse(words[1], CultureInfo.InvariantCulture), CancellationToken.None);
                    await Wait.Until(() => reader.Queue.IsIdle, "background filling ends");
                    await store.Writer.FlushAsync(CancellationToken.None);
                    break;
                case "loop":
                    looping = Task.Run(async () =>
                    {
                        for (int seed = 1000; !stop.IsCancellationRequested; seed++) await EpochAsync(reader, snapshot, seed, stop.Token);
                    });
                    break;
                case "quit":
                    await stop.CancelAsync();
                    await looping;
                    break;
            }
            ReadCounters counters = reader.Counters;
            StoreStatistics statistics = store.Statistics;
            long cached = snapshot.Files.Sum(f => reader.CachedBytes(f));
            await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"{counters.Hits} {counters.Misses} {source.Reads} {source.Bytes} {cached} {(statistics.IsOwner ? 1 : 0)} {(statistics.Attached ? 1 : 0)} {statistics.Used} {statistics.Evictions} {statistics.BadChecksums}"));
            if (words[0] == "quit") break;
        }
        return 0;
    }

    static async Task EpochAsync(DatasetReader reader, FakeSnapshot snapshot, int seed, CancellationToken cancellation)
    {
        int[] order = [.. Enumerable.Range(0, snapshot.Files.Count)];
        new Random(seed).Shuffle(order);
        int next = -1;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            byte[] bytes = new byte[8 << 20];
            for (int i; (i = Interlocked.Increment(ref next)) < order.Length && !cancellation.IsCancellationRequested;)
            {
                FileLocation file = snapshot.Files[order[i]];
                try
                {
                    int read = await reader.ReadAsync(file, 0, bytes, CancellationToken.None);
                    if (!bytes.AsSpan(0, read).SequenceEqual(snapshot.Content(file, 0, (int)file.Length))) throw new InvalidDataException("wrong bytes");
                }
                catch (Exception e)
                {
                    await Console.Error.WriteLineAsync($"file {order[i]}: {e}");
                    Environment.Exit(3);
                }
            }
        }, CancellationToken.None)));
    }
}
