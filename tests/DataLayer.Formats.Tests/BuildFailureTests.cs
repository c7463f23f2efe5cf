using System.Runtime.CompilerServices;
using Xunit;
using static DataLayer.Formats.Tests.ListedSource;

namespace DataLayer.Formats.Tests;

public sealed class BuildFailureTests : BuilderTests
{
    sealed class FailingSource(Exception fault) : ISource
    {
        public string Identity => "test://failing";

        public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
        {
            // Enough for several runs of a small budget, so that temporary files exist.
            for (int page = 0; page < 200; page++)
            {
                yield return [.. Enumerable.Range(0, 20).Select(i => File($"{page}/{i}"))];
                await Task.Yield();
            }
            throw fault;
        }

        public ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation) => throw fault;
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_listing_that_fails_leaves_the_old_manifest_and_nothing_else()
    {
        (await Build([File("a")], name: "m")).Dispose();
        byte[] before = Content("m");
        SourceException fault = new(SourceFault.Unavailable, "gone");
        SourceException seen = await Assert.ThrowsAsync<SourceException>(() =>
            ManifestBuilder.BuildAsync([(new FailingSource(fault), "")], Scratch["m"], new() { MemoryBudget = 1 << 16 }, null, default));
        Assert.Same(fault, seen);
        Assert.Equal(before, Content("m"));
        Assert.Equal([Scratch["m"]], System.IO.Directory.GetFiles(Scratch.Root));
    }

    [Fact]
    public async Task A_cancelled_build_leaves_nothing()
    {
        using CancellationTokenSource cancellation = new();
        Progress progress = new(_ => cancellation.Cancel());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            ManifestBuilder.BuildAsync([(new ListedSource("test://a", RandomListing.Make(new Random(1), 100)), "")], Scratch["m"], new(), progress, cancellation.Token));
        Assert.Empty(System.IO.Directory.GetFiles(Scratch.Root));
    }

    sealed class Progress(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }

    [Fact]
    public async Task Progress_counts_the_listed_keys_of_all_sources()
    {
        List<long> seen = [];
        using Manifest manifest = await ManifestBuilder.BuildAsync(
            [(new ListedSource("test://a", [File("a"), File("b")]), "p"), (new ListedSource("test://b", [File("c")]), "q")],
            Scratch["m"], new(), new Progress(seen.Add), default);
        Assert.Equal([2, 3], seen);
    }

    [Fact]
    public async Task A_directory_that_does_not_exist_is_named()
    {
        IOException fault = await Assert.ThrowsAnyAsync<IOException>(() => Build([File("a")], name: "none/m"));
        Assert.Contains(Scratch["none"], fault.Message);
    }

    [Fact]
    public async Task A_previous_manifest_that_is_damaged_is_named()
    {
        System.IO.File.WriteAllText(Scratch["old"], "nonsense");
        ManifestException fault = await Assert.ThrowsAsync<ManifestException>(() => Build([File("a")], new() { Previous = Scratch["old"] }));
        Assert.Contains(Scratch["old"], fault.Message);
    }

    [Fact]
    public async Task Impossible_options_are_refused()
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Build([], new() { MemoryBudget = 1000 }));
        await Assert.ThrowsAsync<ArgumentException>(() => Build([], new() { ReportLimit = -1 }));
        await Assert.ThrowsAsync<ArgumentException>(() => Build([], new() { Layout = new() { PackTarget = 0 } }));
    }

    [Fact]
    public async Task A_manifest_replaced_under_an_open_one_does_not_change_its_answers()
    {
        using Manifest first = await Build([File("a")], name: "m");
        using Manifest second = await Build([File("b")], name: "m");
        Assert.True(first.TryLookup(EntryIndex.Root, "a"u8, out _));
        Assert.False(second.TryLookup(EntryIndex.Root, "a"u8, out _));
    }
}
