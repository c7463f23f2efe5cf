using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class DatasetReaderTests
{
    static DatasetOptions Options(string name = "set") => new() { Name = name, ReadDeadline = TimeSpan.FromSeconds(20) };

    internal static async Task<byte[]> ReadAsync(DatasetReader reader, FileLocation file, long offset, int length)
    {
        byte[] bytes = new byte[length];
        int read = await reader.ReadAsync(file, offset, bytes, CancellationToken.None);
        return bytes[..read];
    }

    [Fact]
    public async Task Every_file_reads_as_the_source_has_it_once_from_the_source_and_then_from_the_store()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(1, [.. FakeSnapshot.LogNormal(300, 1), 0, 1, 4095, 4096, 1 << 20, (1 << 20) + 1, 5 << 20, (7 << 20) + 12345]);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, snapshot, [source], Options());
        for (int epoch = 0; epoch < 2; epoch++)
        {
            foreach (FileLocation file in snapshot.Files)
                Assert.Equal(snapshot.Content(file, 0, (int)file.Length), await ReadAsync(reader, file, 0, (int)file.Length));
            await Wait.Until(() => store.Table.Count == 0, "everything written");
        }
        Assert.Equal(snapshot.TotalBytes, source.Bytes);
        Assert.Equal(snapshot.TotalBytes, snapshot.Files.Sum(f => reader.CachedBytes(f)));
        foreach (FileLocation file in snapshot.Files)
        {
            byte[] bytes = new byte[file.Length];
            Assert.Equal(bytes.Length, reader.TryRead(file, 0, bytes));
            Assert.Equal(snapshot.Content(file, 0, bytes.Length), bytes);
        }
    }

    [Fact]
    public async Task Read_past_end_returns_zero_bytes_and_read_across_the_end_is_short()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(2, [1000, 3 << 20]);
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, snapshot, [new FakeSource()], Options());
        foreach (FileLocation file in snapshot.Files)
        {
            Assert.Empty(await ReadAsync(reader, file, file.Length, 10));
            Assert.Empty(await ReadAsync(reader, file, file.Length + 5000, 10));
            Assert.Equal(snapshot.Content(file, file.Length - 7, 7), await ReadAsync(reader, file, file.Length - 7, 100));
            Assert.Empty(await ReadAsync(reader, file, 0, 0));
        }
    }

    [Fact]
    public async Task One_miss_brings_the_rest_of_its_pack()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(3, [.. Enumerable.Repeat(10_000, 50)]);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, snapshot, [source], Options());
        Assert.Equal(snapshot.Content(snapshot.Files[17], 0, 10_000), await ReadAsync(reader, snapshot.Files[17], 0, 10_000));
        await Wait.Until(() => snapshot.Files.All(f => reader.CachedBytes(f) == f.Length), "the pack is filled");
        Assert.Equal(50, source.Reads);
        await Wait.Until(() => store.Statistics.SyncedBlockFiles == 1, "a complete pack is forced to disk");
    }

    [Fact]
    public async Task Concurrent_readers_of_one_file_cause_one_read_of_the_source()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(4, [50_000, 4 << 20]);
        TaskCompletionSource go = new();
        FakeSource source = new() { Before = (_, _) => go.Task };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, snapshot, [source], Options());
        Task<byte[]>[] readers = [.. Enumerable.Range(0, 20).Select(i => Task.Run(() => ReadAsync(reader, snapshot.Files[i % 2], i * 1000, 1000)))];
        await Wait.Until(() => source.Reads == 2, "both files are asked for");
        go.SetResult();
        for (int i = 0; i < readers.Length; i++)
            Assert.Equal(snapshot.Content(snapshot.Files[i % 2], i * 1000, 1000), await readers[i]);
        Assert.Equal(2, source.Reads);
    }

    [Fact]
    public async Task A_store_opened_again_answers_without_the_source()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(5, [.. FakeSnapshot.LogNormal(100, 5), 3_000_000]);
        FakeSource source = new();
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = new(store, snapshot, [source], Options()))
        {
            foreach (FileLocation file in snapshot.Files) await ReadAsync(reader, file, 0, (int)file.Length);
        }
        await using (BlockStore store = await folder.OpenAsync())
        await using (DatasetReader reader = new(store, snapshot, [source], Options()))
        {
            foreach (FileLocation file in snapshot.Files)
                Assert.Equal(snapshot.Content(file, 0, (int)file.Length), await ReadAsync(reader, file, 0, (int)file.Length));
            Assert.Equal(snapshot.Files.Count, reader.Counters.Hits);
        }
        Assert.Equal(snapshot.TotalBytes, source.Bytes);
    }

    [Fact]
    public async Task A_large_file_read_in_order_is_fetched_ahead_once()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(6, [40 << 20]);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, snapshot, [source], Options());
        FileLocation file = snapshot.Files[0];
        for (long at = 0; at < file.Length; at += 128 << 10)
            Assert.Equal(snapshot.Content(file, at, 128 << 10), await ReadAsync(reader, file, at, 128 << 10));
        Assert.Equal(file.Length, source.Bytes);
        Assert.InRange(source.Reads, 8, 16);
    }

    [Fact]
    public async Task Random_reads_of_a_large_file_fetch_their_own_units_only()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(7, [64 << 20]);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, snapshot, [source], Options());
        foreach (int unit in new[] { 3, 60, 21, 9, 44 })
            Assert.Equal(snapshot.Content(snapshot.Files[0], (unit << 20) + 77, 5000), await ReadAsync(reader, snapshot.Files[0], (unit << 20) + 77, 5000));
        Assert.Equal(5 << 20, source.Bytes);
    }

    [Fact]
    public async Task Warming_brings_every_file_into_the_store_and_reports_its_bytes()
    {
        using CacheFolder folder = new();
        FakeSnapshot snapshot = new(8, [.. FakeSnapshot.LogNormal(200, 8), 0, 9_000_000]);
        FakeSource source = new();
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, snapshot, [source], Options());
        long reported = 0;
        long warmed = await reader.WarmAsync([.. snapshot.Files.Select(f => f.Entry)], new Reporter(bytes => InterlockedMax(ref reported, bytes)), CancellationToken.None);
        Assert.Equal(snapshot.TotalBytes, warmed);
        Assert.Equal(snapshot.TotalBytes, reported);
        Assert.Equal(snapshot.TotalBytes, source.Bytes);
        Assert.All(snapshot.Files, file => Assert.Equal(file.Length, reader.TryRead(file, 0, new byte[file.Length])));
    }

    sealed class Reporter(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }

    static void InterlockedMax(ref long target, long value)
    {
        for (long seen = Volatile.Read(ref target); value > seen; seen = Volatile.Read(ref target)) Interlocked.CompareExchange(ref target, value, seen);
    }
}
