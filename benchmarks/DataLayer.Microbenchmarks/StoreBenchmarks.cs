using BenchmarkDotNet.Attributes;
using DataLayer.Cache;
using DataLayer.Formats;

namespace DataLayer.Microbenchmarks;

/// <summary>
/// What a read costs once its bytes are local: the store on a memory file system, so that the disk is not measured.
/// "Plain" is the same pread from a plain file, without store and checksum.
/// </summary>
[MemoryDiagnoser]
public class StoreBenchmarks
{
    const int Files = 512;
    const int LargeUnits = 64;

    readonly string _folder = Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"datalayer-store-benchmark-{Environment.ProcessId}");
    readonly byte[] _buffer = new byte[1 << 20];
    BlockStore _store = null!;
    DatasetReader _reader = null!;
    FileLocation[] _files = [];
    FileLocation _large;
    Microsoft.Win32.SafeHandles.SafeFileHandle _plain = null!;
    int _next;

    [Params(4 << 10, 110 << 10)]
    public int Size { get; set; }

    [GlobalSetup]
    public async Task Fill()
    {
        Layout layout = new(Size);
        _store = await BlockStore.OpenAsync(new BlockStoreOptions { Directory = _folder, Capacity = 1L << 30, DiskReserve = 0 }, CancellationToken.None);
        _reader = new DatasetReader(_store, layout, [new Source()], new DatasetOptions { Name = "benchmark" });
        _files = layout.GetPackFiles(0);
        _large = layout.Large;
        await _reader.WarmAsync([.. _files.Append(_large).Select(file => file.Entry)], null, CancellationToken.None);
        string plain = Path.Combine(_folder, "plain");
        await File.WriteAllBytesAsync(plain, new byte[Files * Size]);
        _plain = File.OpenHandle(plain);
    }

    [GlobalCleanup]
    public async Task Delete()
    {
        _plain.Dispose();
        await _reader.DisposeAsync();
        await _store.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true)]
    public int Plain() => RandomAccess.Read(_plain, _buffer.AsSpan(0, Size), (long)(_next++ % Files) * Size);

    [Benchmark]
    public int WholeFile() => Expect(_reader.TryRead(_files[_next++ % Files], 0, _buffer.AsSpan(0, Size)));

    [Benchmark]
    public async ValueTask<int> WholeFileAsync() => Expect(await _reader.ReadAsync(_files[_next++ % Files], 0, _buffer.AsMemory(0, Size), CancellationToken.None));

    /// <summary>A piece of a unit that was checked before.</summary>
    [Benchmark]
    public int PieceOfLargeFile() => Expect(_reader.TryRead(_large, (long)(_next++ % (LargeUnits - 1)) * FileLocation.LargeUnit + 777, _buffer.AsSpan(0, Size)));

    int Expect(int read) => read == Size ? read : throw new InvalidOperationException($"{read} bytes instead of {Size}");

    sealed class Layout(int size) : IBlockLayout
    {
        static readonly BlockFileId PackId = new(Digest.Of("pack"u8)), LargeId = new(Digest.Of("large"u8));

        public FileLocation Large { get; } = new(new EntryIndex(Files), LargeId, -1, 0, 0, (long)LargeUnits * FileLocation.LargeUnit);
        public int PackCount => 1;
        public FileLocation Locate(EntryIndex file) => file.Value == Files ? Large : new FileLocation(file, PackId, 0, file.Value, (long)file.Value * size, size);
        public FileLocation[] GetPackFiles(int pack) => [.. Enumerable.Range(0, Files).Select(i => Locate(new EntryIndex(i)))];
        public BlockSpec GetPack(int pack) => new(PackId, true, (long)Files * size, Files);
        public (int Source, SourceFile File) GetSourceFile(EntryIndex file) => (0, new SourceFile([], Locate(file).Length, []));
        public BlockFileId GetPackId(int pack) => PackId;
        public bool Contains(BlockFileId block) => block == PackId || block == LargeId;
    }

    sealed class Source : ISource
    {
        public string Identity => "benchmark://zeros";

        public ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation)
        {
            destination.Span.Clear();
            return ValueTask.CompletedTask;
        }

        public IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync(CancellationToken cancellation) => throw new NotSupportedException();
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
