using System.Diagnostics;
using System.Globalization;
using DataLayer.Formats;

namespace DataLayer.Cache.Tests;

/// <summary>
/// <c>measure FOLDER FILES EPOCHS LATENCY_MS BYTES_PER_S CACHE_FRACTION [order]</c>: epochs of a training-like data set
/// (FILES 0: one large file) through a source that answers after a latency and shares a link, by 8 readers in random order
/// or one in listing order; one line for each epoch.
/// </summary>
internal static class Measurement
{
    public static async Task<int> RunAsync(string[] args)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        int files = int.Parse(args[1], culture), epochs = int.Parse(args[2], culture), latency = int.Parse(args[3], culture);
        double rate = double.Parse(args[4], culture), fraction = double.Parse(args[5], culture);
        FakeSnapshot snapshot = files == 0
            ? new(77, [int.MaxValue])
            : new(77, FakeSnapshot.LogNormal(files, 77), packTarget: 8 << 20);
        LinkSource source = new(latency, rate);
        Stopwatch opening = Stopwatch.StartNew();
        await using BlockStore store = await BlockStore.OpenAsync(
            new BlockStoreOptions { Directory = args[0], Capacity = (long)(snapshot.TotalBytes * fraction) + (64 << 10), DiskReserve = 0, Warn = Console.Error.WriteLine }, CancellationToken.None);
        await using DatasetReader reader = new(store, snapshot, [source], new DatasetOptions { Name = "measured" });
        Console.WriteLine(string.Create(culture, $"open {opening.Elapsed.TotalMilliseconds:F0} ms, {snapshot.Files.Count} files, {snapshot.TotalBytes / 1e6:F0} MB, {snapshot.PackCount} packs"));
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            ReadCounters before = reader.Counters;
            long garbage = GC.GetTotalAllocatedBytes();
            TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
            Stopwatch watch = Stopwatch.StartNew();
            long bytes = files == 0 ? await SequentialAsync(reader, snapshot.Files[0]) : await EpochAsync(reader, snapshot, epoch, inOrder: args.Length > 6);
            double seconds = watch.Elapsed.TotalSeconds;
            ReadCounters after = reader.Counters;
            long reads = after.SourceReads - before.SourceReads;
            Console.WriteLine(string.Create(culture,
                $"epoch {epoch}: {seconds:F2} s, {bytes / seconds / 1e6:F0} MB/s, cpu {(Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalSeconds:F2} s, hits {after.Hits - before.Hits}, misses {after.Misses - before.Misses}, source reads {reads}, source MB {(after.BytesFromSource - before.BytesFromSource) / 1e6:F0}, garbage {(GC.GetTotalAllocatedBytes() - garbage) / 1e6:F1} MB, window {reader.Queue.WindowSize}, most running {source.MostRunning}, {Memory()}"));
        }
        return 0;
    }

    static string Memory() => string.Join(' ', File.ReadLines("/proc/self/status").Where(line => line.StartsWith("RssAnon", StringComparison.Ordinal)).Select(line => string.Join(' ', line.Split((char[])['\t', ' '], StringSplitOptions.RemoveEmptyEntries))));

    static async Task<long> SequentialAsync(DatasetReader reader, FileLocation file)
    {
        byte[] buffer = new byte[128 << 10];
        long at = 0;
        for (int read; (read = await reader.ReadAsync(file, at, buffer, CancellationToken.None)) > 0;) at += read;
        return at;
    }

    static async Task<long> EpochAsync(DatasetReader reader, FakeSnapshot snapshot, int seed, bool inOrder)
    {
        int[] order = [.. Enumerable.Range(0, snapshot.Files.Count)];
        if (!inOrder) new Random(seed).Shuffle(order);
        int next = -1;
        long bytes = 0;
        await Task.WhenAll(Enumerable.Range(0, inOrder ? 1 : 8).Select(_ => Task.Run(async () =>
        {
            byte[] buffer = new byte[1 << 20];
            for (int i; (i = Interlocked.Increment(ref next)) < order.Length;)
                Interlocked.Add(ref bytes, await reader.ReadAsync(snapshot.Files[order[i]], 0, buffer, CancellationToken.None));
        })));
        return bytes;
    }
}

/// <summary>A source behind a latency and a shared link; sends zeros.</summary>
internal sealed class LinkSource(int latency, double bytesPerSecond) : ISource
{
    readonly Lock _gate = new();
    long _free;
    int _running, _most;

    public string Identity => "fake://link";
    public int MostRunning => _most;

    public async ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        int running = Interlocked.Increment(ref _running);
        _most = Math.Max(_most, running);
        long arrived = Stopwatch.GetTimestamp(), done;
        lock (_gate)
        {
            long start = Math.Max(_free, arrived + latency * Stopwatch.Frequency / 1000);
            _free = Math.Max(_free, arrived) + (long)(destination.Length / bytesPerSecond * Stopwatch.Frequency);
            done = Math.Max(start, _free);
        }
        TimeSpan wait = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), done);
        if (wait > TimeSpan.Zero) await Task.Delay(wait, cancellation);
        destination.Span.Clear();
        Interlocked.Decrement(ref _running);
    }

    public IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync(CancellationToken cancellation) => throw new NotSupportedException();
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
