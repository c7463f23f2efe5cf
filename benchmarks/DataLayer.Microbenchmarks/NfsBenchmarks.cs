using System.Diagnostics;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using DataLayer.Formats;
using DataLayer.Sources;
using DataLayer.TestKit.Nfs;

namespace DataLayer.Microbenchmarks;

/// <summary>
/// The NFS source beside libnfs's own tools on one nfs-ganesha of this machine, whose files are in the page cache. Each
/// category's Ratio is what to look at. Needs root, nfs-ganesha-vfs and libnfs-utils. The tool's time holds its process's
/// start and mount, a few milliseconds.
/// </summary>
[InProcess]
[WarmupCount(2)]
[IterationCount(11)]
[InvocationCount(1)]
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn]
public class NfsBenchmarks
{
    const int Readers = 4, FileSize = 128 << 20, Piece = 8 << 20, SmallFiles = 4000, SmallSize = 4096;

    GaneshaServer _server = null!;
    ISource _source = null!;
    Dictionary<string, SourceFile> _files = null!;

    [Params(3, 4)]
    public int Version { get; set; }

    /// <summary>The in-process runner does not await what a set-up returns.</summary>
    [GlobalSetup]
    public void Start() => StartAsync().GetAwaiter().GetResult();

    [GlobalCleanup]
    public void Stop() => StopAsync().GetAwaiter().GetResult();

    async Task StartAsync()
    {
        _server = await GaneshaServer.StartAsync();
        byte[] content = new byte[FileSize];
        Random.Shared.NextBytes(content);
        for (int i = 0; i < Readers; i++) await File.WriteAllBytesAsync($"{_server.Export}/large{i}", content);
        for (int i = 0; i < SmallFiles; i++)
        {
            Directory.CreateDirectory($"{_server.Export}/small/{i % 100}");
            await File.WriteAllBytesAsync($"{_server.Export}/small/{i % 100}/{i}", content[..SmallSize]);
        }
        _source = SourceFactory.Open(_server.Uri(Version), new SourceOptions());
        _files = await ListAsync();
    }

    async Task StopAsync()
    {
        await _source.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Readers)]
    [BenchmarkCategory("4 readers, 128 MiB each")]
    public Task NfsCat_4() => Task.WhenAll(Enumerable.Range(0, Readers).Select(i => ToolAsync($"nfs-cat '{_server.ToolUri(Version, $"/large{i}")}'")));

    [Benchmark(OperationsPerInvoke = Readers)]
    [BenchmarkCategory("4 readers, 128 MiB each")]
    public Task Source_4() => Task.WhenAll(Enumerable.Range(0, Readers).Select(i => Task.Run(() => ReadLargeAsync(i))));

    [Benchmark(Baseline = true)]
    [BenchmarkCategory("1 reader, 128 MiB")]
    public Task NfsCat_1() => ToolAsync($"nfs-cat '{_server.ToolUri(Version, "/large0")}'");

    [Benchmark]
    [BenchmarkCategory("1 reader, 128 MiB")]
    public Task Source_1() => ReadLargeAsync(0);

    [Benchmark(Baseline = true)]
    [BenchmarkCategory("list 4100 entries in 101 directories")]
    public Task NfsLs() => ToolAsync($"nfs-ls -R '{_server.ToolUri(Version, "/small")}'");

    [Benchmark]
    [BenchmarkCategory("list 4100 entries in 101 directories")]
    public Task Source_list() => ListAsync();

    /// <summary>No tool of libnfs's reads many files; this is for its own sake. Time of one file.</summary>
    [Benchmark(OperationsPerInvoke = SmallFiles)]
    [BenchmarkCategory("read 4000 files of 4 KiB, 64 at once")]
    public Task Source_small() => Parallel.ForEachAsync(_files.Where(f => f.Key.StartsWith("small", StringComparison.Ordinal)), new ParallelOptions { MaxDegreeOfParallelism = 64 },
        async (file, cancellation) => await _source.ReadAsync(file.Value, 0, new byte[SmallSize], cancellation));

    async Task ReadLargeAsync(int file)
    {
        byte[] piece = new byte[Piece];
        for (long offset = 0; offset < FileSize; offset += Piece)
            await _source.ReadAsync(_files[$"large{file}"], offset, piece, CancellationToken.None);
    }

    async Task<Dictionary<string, SourceFile>> ListAsync()
    {
        Dictionary<string, SourceFile> files = [];
        await foreach (IReadOnlyList<SourceEntry> page in _source.ListAsync(CancellationToken.None))
            foreach (SourceEntry entry in page)
                if (entry.Kind == EntryKind.File) files.Add(System.Text.Encoding.UTF8.GetString(entry.Key), new SourceFile(entry.Key, entry.Size, entry.VersionTag));
        return files;
    }

    static async Task ToolAsync(string command)
    {
        using Process process = Process.Start("sh", ["-c", $"exec {command} > /dev/null"]);
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{command} ended with {process.ExitCode}.");
    }
}
