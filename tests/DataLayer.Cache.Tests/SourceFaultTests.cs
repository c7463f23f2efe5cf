using System.Diagnostics;
using DataLayer.Formats;
using Xunit;

namespace DataLayer.Cache.Tests;

public sealed class SourceFaultTests
{
    static readonly FakeSnapshot Snapshot = new(50, [.. Enumerable.Repeat(20_000, 30), 3 << 20]);

    static DatasetReader Open(BlockStore store, FakeSource source, double seconds = 20) =>
        new(store, Snapshot, [source], new DatasetOptions { Name = "set", ReadDeadline = TimeSpan.FromSeconds(seconds) });

    static SourceException Unavailable => new(SourceFault.Unavailable, "503 from the test");

    [Fact]
    public async Task A_transient_fault_is_retried_until_it_passes()
    {
        using CacheFolder folder = new();
        int left = 5;
        FakeSource source = new() { Fault = _ => Interlocked.Decrement(ref left) >= 0 ? Unavailable : null };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = Open(store, source);
        Assert.Equal(Snapshot.Content(Snapshot.Files[3], 0, 20_000), await DatasetReaderTests.ReadAsync(reader, Snapshot.Files[3], 0, 20_000));
        Assert.Equal(5, reader.Counters.SourceErrors);
    }

    [Fact]
    public async Task A_source_that_stays_away_fails_the_read_at_its_deadline_and_cached_files_go_on()
    {
        using CacheFolder folder = new();
        bool away = false;
        FakeSource source = new() { Fault = _ => away ? Unavailable : null };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = Open(store, source, seconds: 1);
        await DatasetReaderTests.ReadAsync(reader, Snapshot.Files[0], 0, 20_000);
        await Wait.Until(() => Snapshot.Files.Take(30).All(f => reader.CachedBytes(f) == f.Length), "the pack is filled");
        away = true;
        Stopwatch watch = Stopwatch.StartNew();
        SourceException fault = await Assert.ThrowsAsync<SourceException>(() => DatasetReaderTests.ReadAsync(reader, Snapshot.Files[30], 0, 100));
        Assert.Equal(SourceFault.Unavailable, fault.Fault);
        Assert.Contains("503 from the test", fault.Message, StringComparison.Ordinal);
        Assert.True(watch.Elapsed >= TimeSpan.FromSeconds(0.9));
        Assert.Equal(Snapshot.Content(Snapshot.Files[7], 0, 20_000), await DatasetReaderTests.ReadAsync(reader, Snapshot.Files[7], 0, 20_000));
        away = false;
        Assert.Equal(Snapshot.Content(Snapshot.Files[30], 0, 100), await DatasetReaderTests.ReadAsync(reader, Snapshot.Files[30], 0, 100));
    }

    [Theory]
    [InlineData(SourceFault.Changed)]
    [InlineData(SourceFault.Denied)]
    [InlineData(SourceFault.Misconfigured)]
    public async Task A_fault_that_retrying_will_not_mend_surfaces_at_once_for_this_file_only(SourceFault kind)
    {
        using CacheFolder folder = new();
        FakeSource source = new() { Fault = file => file == 4 ? new SourceException(kind, "file 4 is not what it was") : null };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = Open(store, source);
        SourceException fault = await Assert.ThrowsAsync<SourceException>(() => DatasetReaderTests.ReadAsync(reader, Snapshot.Files[4], 0, 100));
        Assert.Equal(kind, fault.Fault);
        // Once for the read, and once more if the filling of its pack comes by.
        Assert.InRange(source.ReadsOfFile[4], 1, 2);
        Assert.Equal(kind == SourceFault.Changed, reader.Counters.Stale > 0);
        foreach (int i in new[] { 3, 5, 30 })
            Assert.Equal(Snapshot.Content(Snapshot.Files[i], 0, 1000), await DatasetReaderTests.ReadAsync(reader, Snapshot.Files[i], 0, 1000));
    }

    [Fact]
    public async Task Cancelling_one_waiter_leaves_the_others_their_bytes()
    {
        using CacheFolder folder = new();
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        FakeSource source = new() { Before = (_, _) => go.Task };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = Open(store, source);
        using CancellationTokenSource cancel = new();
        Task<int> impatient = reader.ReadAsync(Snapshot.Files[1], 0, new byte[100], cancel.Token).AsTask();
        Task<byte[]> patient = DatasetReaderTests.ReadAsync(reader, Snapshot.Files[1], 0, 20_000);
        await Wait.Until(() => source.ReadsOfFile.ContainsKey(1), "the file is asked for");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        go.SetResult();
        Assert.Equal(Snapshot.Content(Snapshot.Files[1], 0, 20_000), await patient);
        Assert.Equal(1, source.ReadsOfFile[1]);
    }

    [Fact]
    public async Task A_source_that_never_answers_does_not_hold_a_reader_beyond_the_deadline_nor_the_end_of_the_mount()
    {
        using CacheFolder folder = new();
        FakeSource source = new() { Before = (_, cancellation) => Task.Delay(Timeout.Infinite, cancellation) };
        await using BlockStore store = await folder.OpenAsync();
        DatasetReader reader = Open(store, source, seconds: 0.5);
        SourceException fault = await Assert.ThrowsAsync<SourceException>(() => DatasetReaderTests.ReadAsync(reader, Snapshot.Files[2], 0, 100));
        Assert.Equal(SourceFault.Unavailable, fault.Fault);
        Task<byte[]> waiting = DatasetReaderTests.ReadAsync(reader, Snapshot.Files[30], 0, 100);
        await reader.DisposeAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => waiting);
        Assert.Equal(0, store.Buffers.Rented);
    }

    [Fact]
    public async Task A_fault_of_the_source_itself_is_told_as_unavailable()
    {
        using CacheFolder folder = new();
        FakeSource source = new() { Before = (_, _) => throw new InvalidOperationException("a bug in a source") };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = Open(store, source, seconds: 0.5);
        SourceException fault = await Assert.ThrowsAsync<SourceException>(() => DatasetReaderTests.ReadAsync(reader, Snapshot.Files[2], 0, 100));
        Assert.Contains("a bug in a source", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_reader_waits_for_is_not_behind_the_filling_of_packs()
    {
        using CacheFolder folder = new();
        FakeSnapshot wide = new(51, [.. Enumerable.Repeat(10_000, 1000)], packTarget: 10_000_000);
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        // Every background read hangs: file 0 starts the fill, then only demanded files are let through.
        System.Collections.Concurrent.ConcurrentDictionary<int, bool> free = new() { [0] = true, [999] = true, [500] = true };
        FakeSource source = new() { Before = (file, _) => free.ContainsKey(file) ? Task.CompletedTask : go.Task };
        await using BlockStore store = await folder.OpenAsync();
        await using DatasetReader reader = new(store, wide, [source], new DatasetOptions { Name = "set" });
        await DatasetReaderTests.ReadAsync(reader, wide.Files[0], 0, 10_000);
        await Wait.Until(() => source.Reads > ConcurrencyWindow.Initial, "the fill takes the whole window");
        Assert.Equal(wide.Content(wide.Files[999], 0, 10_000), await DatasetReaderTests.ReadAsync(reader, wide.Files[999], 0, 10_000));
        Assert.Equal(wide.Content(wide.Files[500], 0, 10_000), await DatasetReaderTests.ReadAsync(reader, wide.Files[500], 0, 10_000));
        go.SetResult();
        await Wait.Until(() => wide.Files.All(f => reader.CachedBytes(f) == f.Length), "the pack is filled");
        Assert.Equal(1000, source.Reads);
    }
}
