using System.Text.Json;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using Xunit;

namespace DataLayer.EndToEndBenchmarks.Tests;

/// <summary>The readers are what says "no wrong byte": they must notice every kind of wrong.</summary>
public sealed class ReaderTests : IDisposable
{
    private readonly ScratchFolder _folder = new();
    private readonly Dataset _many, _large;
    private readonly string _manyRoot, _largeRoot, _gate;

    public ReaderTests()
    {
        _many = Dataset.Open(new DatasetSpec("many", 50, 5, 1, 9_000, 30_000), _folder.Path);
        _large = Dataset.Open(DatasetSpec.W3(4 << 20), _folder.Path);
        _manyRoot = _many.Materialize(Path.Combine(_folder.Path, "trees"));
        _largeRoot = _large.Materialize(Path.Combine(_folder.Path, "trees"));
        _gate = Path.Combine(_folder.Path, "gate");
        File.WriteAllBytes(_gate, []);
    }

    [Fact]
    public void Whole_files_are_read_once_and_found_good()
    {
        ReaderAnswer[] answers = [.. Enumerable.Range(0, 3).Select(i => Many(ReaderMode.VerifiedFiles) with { Reader = i, Readers = 3 }).Select(Run)];
        Assert.All(answers, answer => Assert.Equal((0, ""), (answer.Errors, answer.FirstError)));
        Assert.Equal(50, answers.Sum(answer => answer.Files));
        Assert.Equal(_many.Index.TotalBytes, answers.Sum(answer => answer.Bytes));
        Assert.Equal(_many.Index.TotalBytes, Run(Many(ReaderMode.Files)).Bytes);
    }

    [Fact]
    public void A_wrong_byte_is_an_error()
    {
        string path = Change(_manyRoot, _many.Spec.PathOf(31), bytes => bytes[^1] ^= 1);
        ReaderAnswer answer = Run(Many(ReaderMode.VerifiedFiles));
        Assert.Equal((1, path + ": wrong bytes"), (answer.Errors, answer.FirstError));
    }

    [Fact]
    public void A_file_that_is_missing_or_of_another_size_is_an_error()
    {
        File.Delete(Path.Combine(_manyRoot, _many.Spec.PathOf(3)));
        File.AppendAllText(Path.Combine(_manyRoot, _many.Spec.PathOf(4)), "x");
        File.WriteAllBytes(Path.Combine(_manyRoot, _many.Spec.PathOf(5)), []);
        Assert.Equal(3, Run(Many(ReaderMode.Files)).Errors);
    }

    [Theory]
    [InlineData(nameof(ReaderMode.Sequential), 4 << 20)]
    [InlineData(nameof(ReaderMode.VerifiedSequential), 4 << 20)]
    [InlineData(nameof(ReaderMode.Mapped), 4 << 20)]
    [InlineData(nameof(ReaderMode.MappedScattered), 1 << 20)]
    [InlineData(nameof(ReaderMode.Scattered), 1 << 20)]
    public void A_large_file_is_read_in_every_way_and_wrong_pages_are_noticed(string way, long bytes)
    {
        ReaderMode mode = Enum.Parse<ReaderMode>(way);
        ReaderAnswer good = Run(Large(mode));
        Assert.Equal((0, "", bytes), (good.Errors, good.FirstError, good.Bytes));
        Change(_largeRoot, _large.Spec.PathOf(0), all =>
        {
            for (int i = 0; i < all.Length; i += 4096) all[i] ^= 1;
        });
        ReaderAnswer bad = Run(Large(mode));
        Assert.Equal(1, bad.Errors);
        Assert.StartsWith("wrong bytes", bad.FirstError, StringComparison.Ordinal);
    }

    [Fact]
    public void One_wrong_bit_anywhere_in_a_large_file_is_noticed_when_every_byte_is_checked()
    {
        Change(_largeRoot, _large.Spec.PathOf(0), all => all[3_000_001] ^= 0x10);
        Assert.Equal(1, Run(Large(ReaderMode.VerifiedSequential)).Errors);
    }

    [Fact]
    public void A_large_file_cut_short_is_an_error()
    {
        using (FileStream file = File.OpenWrite(Path.Combine(_largeRoot, _large.Spec.PathOf(0)))) file.SetLength(1 << 20);
        Assert.Equal(1, Run(Large(ReaderMode.Sequential)).Errors);
        Assert.Equal(1, Run(Large(ReaderMode.Scattered)).Errors);
    }

    [Fact]
    public void A_program_that_fails_or_does_not_exist_is_an_error()
    {
        ReaderAnswer Command(params string[] arguments) => Run(new ReaderJob { Mode = ReaderMode.Command, Gate = _gate, Arguments = arguments });
        Assert.Equal("", Command("find", _manyRoot, "-name", "no such").FirstError);
        Assert.Equal("false ended with status 0x100", Command("false").FirstError);
        Assert.Contains("no-such-program", Command("no-such-program").FirstError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pool_measures_from_the_gate_and_reports_the_first_error()
    {
        using var pool = new ReaderPool(3, _folder.Path);
        Epoch epoch = await pool.Run(Many(ReaderMode.VerifiedFiles), 3, TimeSpan.FromSeconds(30), CancellationToken.None);
        Assert.Equal((50, _many.Index.TotalBytes), (epoch.Files, epoch.Bytes));
        Assert.InRange(epoch.Seconds, 0, 30);
        string path = Change(_manyRoot, _many.Spec.PathOf(8), bytes => bytes[0] ^= 1);
        BenchmarkException error = await Assert.ThrowsAsync<BenchmarkException>(() =>
            pool.Run(Many(ReaderMode.VerifiedFiles), 3, TimeSpan.FromSeconds(30), CancellationToken.None));
        Assert.Contains(path + ": wrong bytes", error.Message, StringComparison.Ordinal);
        // The pool is as good as new.
        Assert.Equal(50, (await pool.Run(Many(ReaderMode.Files), 2, TimeSpan.FromSeconds(30), CancellationToken.None)).Files);
    }

    [Fact]
    public async Task A_pool_gives_up_at_its_limit_and_goes_on_with_new_readers()
    {
        using var pool = new ReaderPool(1, _folder.Path);
        var sleep = new ReaderJob { Mode = ReaderMode.Command, Gate = "", Arguments = ["sleep", "5"] };
        BenchmarkException error = await Assert.ThrowsAsync<BenchmarkException>(() =>
            pool.Run(sleep, 1, TimeSpan.FromSeconds(1), CancellationToken.None));
        Assert.Contains("did not finish within 1 s", error.Message, StringComparison.Ordinal);
        Assert.Equal(50, (await pool.Run(Many(ReaderMode.Files), 1, TimeSpan.FromSeconds(30), CancellationToken.None)).Files);
    }

    [Fact]
    public async Task A_pool_waits_for_the_first_file_to_appear()
    {
        string later = Path.Combine(_folder.Path, "later");
        using var pool = new ReaderPool(1, _folder.Path);
        Epoch epoch = await pool.Run(Many(ReaderMode.FirstFile) with { Root = later }, 1, TimeSpan.FromSeconds(30), CancellationToken.None,
            atStart: () => Directory.Move(_manyRoot, later));
        Assert.Equal(1, epoch.Files);
    }

    [Fact]
    public void Plain_connections_fetch_everything_once_and_notice_a_wrong_byte()
    {
        using (var server = new RunningServer([_many]))
        using (var client = new PlainClient(_many, "bench", server.Port, 7, Permutation.Of(50, 3), 0))
        {
            (_, int requests, long bytes) = client.Run();
            Assert.Equal((50, _many.Index.TotalBytes), (requests, bytes));
        }

        byte[] blob = File.ReadAllBytes(_many.BlobPath);
        blob[12_345] ^= 1;
        File.WriteAllBytes(_many.BlobPath, blob);
        using var wrong = new RunningServer([_many]);
        using var second = new PlainClient(_many, "bench", wrong.Port, 7, Permutation.Of(50, 3), 0);
        Assert.Throws<InvalidDataException>(() => second.Run());
    }

    [Fact]
    public void Plain_connections_fetch_a_large_object_in_slices()
    {
        using var server = new RunningServer([_large]);
        using var client = new PlainClient(_large, "bench", server.Port, 3, [0], 1_000_000);
        (_, int requests, long bytes) = client.Run();
        Assert.Equal((5, 4 << 20), (requests, bytes));
    }

    public void Dispose()
    {
        _many.Dispose();
        _large.Dispose();
        _folder.Dispose();
    }

    private ReaderJob Many(ReaderMode mode) => new() { Mode = mode, Gate = _gate, Index = _many.IndexPath, Root = _manyRoot, Seed = 9 };

    private ReaderJob Large(ReaderMode mode) => new() { Mode = mode, Gate = _gate, Index = _large.IndexPath, Root = _largeRoot, Seed = 9 };

    /// <summary>What the reader process does, in this process.</summary>
    private static ReaderAnswer Run(ReaderJob job)
    {
        using var output = new StringWriter();
        ReaderProcess.Run(new StringReader(JsonSerializer.Serialize(job)), output);
        string[] lines = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("ready", lines[0]);
        return JsonSerializer.Deserialize<ReaderAnswer>(lines[1])!;
    }

    private static string Change(string root, string file, Action<byte[]> change)
    {
        string path = Path.Combine(root, file);
        byte[] bytes = File.ReadAllBytes(path);
        change(bytes);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
