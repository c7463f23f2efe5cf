using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using BenchmarkDotNet.Attributes;
using DataLayer.Formats;

namespace DataLayer.Microbenchmarks;

/// <summary>What one FUSE request asks of a manifest, at a size that fits into no processor cache.</summary>
[MemoryDiagnoser]
public class ManifestBenchmarks
{
    const int Lookups = 1 << 16;

    readonly string _path = Path.Combine(Path.GetTempPath(), $"datalayer-manifest-benchmark-{Environment.ProcessId}");
    Manifest _manifest = null!;
    EntryIndex[] _directories = [];
    EntryIndex[] _files = [];
    byte[][] _names = [];
    NodeId[] _nodes = [];
    int _next;

    [Params(200_000, 2_000_000)]
    public int Files { get; set; }

    [GlobalSetup]
    public async Task Build()
    {
        await using GeneratedSource source = new(Files, 1000, NameStyle.Random);
        _manifest = await ManifestBuilder.BuildAsync([(source, "")], _path, new(), null, CancellationToken.None);
        Random random = new(1);
        _files = new EntryIndex[Lookups];
        for (int i = 0; i < Lookups;)
        {
            EntryIndex entry = new(random.Next(_manifest.EntryCount));
            if (_manifest.Get(entry).Kind == EntryKind.File) _files[i++] = entry;
        }
        _directories = [.. _files.Select(_manifest.Parent)];
        _nodes = [.. _files.Select(entry => _manifest.Get(entry).Node)];
        _names = [.. _files.Select(entry => _manifest.GetPath(entry)).Select(path => path[(Array.LastIndexOf(path, (byte)'/') + 1)..])];
    }

    [GlobalCleanup]
    public void Delete()
    {
        _manifest.Dispose();
        File.Delete(_path);
    }

    int Next() => _next = (_next + 1) & (Lookups - 1);

    [Benchmark]
    public EntryIndex Lookup()
    {
        int i = Next();
        if (!_manifest.TryLookup(_directories[i], _names[i], out EntryIndex entry)) throw new InvalidOperationException("lost a name");
        return entry;
    }

    [Benchmark]
    public bool NegativeLookup()
    {
        int i = Next();
        return _manifest.TryLookup(_directories[i], "no such name"u8, out _);
    }

    [Benchmark]
    public EntryIndex FindNode()
    {
        if (!_manifest.TryFindNode(_nodes[Next()], out EntryIndex entry)) throw new InvalidOperationException("lost a node");
        return entry;
    }

    [Benchmark]
    public ManifestEntry Attributes() => _manifest.Get(_files[Next()]);

    [Benchmark]
    public FileLocation Locate() => _manifest.Locate(_files[Next()]);

    [Benchmark]
    public EntryIndex Parent() => _manifest.Parent(_files[Next()]);

    [Benchmark]
    public int ListDirectoryOf1000()
    {
        (EntryIndex first, int count) = _manifest.Children(_directories[Next()]);
        NameReader names = _manifest.ReadNames(first);
        int bytes = 0;
        for (int i = 0; i < count && names.Next(); i++) bytes += names.Name.Length;
        return bytes;
    }

    [Benchmark]
    public FileLocation[] PackFiles() => _manifest.GetPackFiles(_manifest.Locate(_files[Next()]).Pack);
}

/// <summary>Names of exactly 20 bytes.</summary>
public enum NameStyle
{
    /// <summary>Like <c>img_000000012345.jpeg</c>, listed in order.</summary>
    Counted,
    /// <summary>Random letters and digits: what front coding saves least on. Listed in random order.</summary>
    Random,
}

/// <summary>A listing of any length, made while it is read.</summary>
/// <param name="objectStore">Times in whole seconds and hex ETags, else a directory's nanoseconds, owners, ctimes and inodes.</param>
sealed class GeneratedSource(int files, int filesPerDirectory, NameStyle style, bool objectStore = true) : ISource
{
    const string Alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

    public string Identity => "generated:";

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await Task.CompletedTask;
        for (int start = 0; start < files; start += 1000)
        {
            cancellation.ThrowIfCancellationRequested();
            SourceEntry[] page = new SourceEntry[Math.Min(1000, files - start)];
            for (int i = 0; i < page.Length; i++) page[i] = Entry(start + i);
            yield return page;
        }
    }

    SourceEntry Entry(int i)
    {
        // A seed per file, so that any part of the listing can be made again.
        Random random = new(i);
        int directory = style == NameStyle.Random ? random.Next(Math.Max(1, files / filesPerDirectory)) : i / filesPerDirectory;
        string name = style == NameStyle.Random ? string.Create(20, random, (chars, r) => r.GetItems(Alphabet, chars)) : $"img_{i:d11}.jpeg";
        byte[] tag = new byte[16];
        random.NextBytes(tag);
        long mtime = 1_700_000_000_000_000_000 + random.NextInt64(1000 * 86_400_000_000_000);
        if (objectStore)
        {
            tag = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(tag));
            mtime -= mtime % 1_000_000_000;
        }
        else
        {
            BitConverter.TryWriteBytes(tag, mtime + random.Next(1_000_000));
            BitConverter.TryWriteBytes(tag.AsSpan(8), 10_000_000L + i);
        }
        return new SourceEntry
        {
            Key = Encoding.ASCII.GetBytes($"class-{directory:d5}/{name}"),
            Kind = EntryKind.File,
            Size = random.Next(4096, 200_000),
            MtimeNs = mtime,
            Mode = objectStore ? -1 : 0x1A4,
            Uid = objectStore ? -1 : 1000,
            Gid = objectStore ? -1 : 1000,
            VersionTag = tag,
        };
    }

    public ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation) =>
        throw new SourceException(SourceFault.Misconfigured, "A generated listing has no content.");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>
/// Builds one manifest of millions of names and prints its figures: <c>manifest-at-scale [FILES] [counted|random] [s3|local] [FILES_PER_DIRECTORY] [DIRECTORY]</c>.
/// Run it in a process of its own, as it prints the peak memory of the process.
/// </summary>
public static class ManifestAtScale
{
    public static async Task<int> RunAsync(string[] args)
    {
        int files = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 10_000_000;
        NameStyle style = args.Length > 1 && args[1] == "random" ? NameStyle.Random : NameStyle.Counted;
        bool objectStore = args.Length < 3 || args[2] == "s3";
        int filesPerDirectory = args.Length > 3 ? int.Parse(args[3], CultureInfo.InvariantCulture) : 1000;
        string path = Path.Combine(args.Length > 4 ? args[4] : Path.GetTempPath(), $"manifest-at-scale-{Environment.ProcessId}");
        try
        {
            await using GeneratedSource source = new(files, filesPerDirectory, style, objectStore);
            Stopwatch clock = Stopwatch.StartNew();
            await foreach (IReadOnlyList<SourceEntry> _ in source.ListAsync(CancellationToken.None)) ;
            TimeSpan generating = clock.Elapsed;
            clock.Restart();
            (await ManifestBuilder.BuildAsync([(source, "")], path, new(), null, CancellationToken.None)).Dispose();
            TimeSpan building = clock.Elapsed;

            clock.Restart();
            using Manifest manifest = Manifest.Open(path);
            TimeSpan opening = clock.Elapsed;
            long length = new FileInfo(path).Length;
            Console.WriteLine($"{files} {style} names, {(objectStore ? "object store" : "directory")}, {filesPerDirectory} files per directory");
            Console.WriteLine($"  bytes per file     {(double)length / manifest.FileCount:f1}  ({length:n0} bytes, {manifest.PackCount} packs)");
            Console.WriteLine($"  build              {building.TotalSeconds:f1} s, of which {generating.TotalSeconds:f1} s made the listing");
            Console.WriteLine($"  peak RSS of build  {PeakKilobytes() / 1024} MiB");
            Console.WriteLine($"  open               {opening.TotalMilliseconds:f2} ms");
            foreach (string pass in (string[])["first touch", "warm"]) Measure(manifest, pass);
            return 0;
        }
        finally
        {
            File.Delete(path);
        }
    }

    static long PeakKilobytes() => long.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    static void Measure(Manifest manifest, string pass)
    {
        const int count = 1_000_000;
        Random random = new(7);
        EntryIndex[] entries = new EntryIndex[count];
        for (int i = 0; i < count;)
        {
            EntryIndex entry = new(random.Next(manifest.EntryCount));
            if (manifest.Get(entry).Kind == EntryKind.File) entries[i++] = entry;
        }
        byte[][] names = new byte[count][];
        EntryIndex[] directories = new EntryIndex[count];
        NodeId[] nodes = new NodeId[count];
        Time("get", i => nodes[i] = manifest.Get(entries[i]).Node);
        Time("parent", i => directories[i] = manifest.Parent(entries[i]));
        for (int i = 0; i < count; i++)
        {
            NameReader reader = manifest.ReadNames(entries[i]);
            reader.Next();
            names[i] = reader.Name.ToArray();
        }
        // The entries' order is random, so every call meets cold lines.
        Time("lookup", i => Check(manifest.TryLookup(directories[i], names[i], out EntryIndex found) && found == entries[i]));
        Time("negative lookup", i => Check(!manifest.TryLookup(directories[i], names[i].AsSpan(1), out _)));
        Time("find node", i => Check(manifest.TryFindNode(nodes[i], out EntryIndex found) && found == entries[i]));
        Time("locate", i => Check(manifest.Locate(entries[i]).Length > 0));

        void Time(string what, Action<int> action)
        {
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            Stopwatch clock = Stopwatch.StartNew();
            for (int i = 0; i < count; i++) action(i);
            Console.WriteLine($"  {what,-18} {clock.Elapsed.TotalNanoseconds / count:f0} ns ({pass}), {GC.GetAllocatedBytesForCurrentThread() - allocated} bytes allocated");
        }
    }

    static void Check(bool holds)
    {
        if (!holds) throw new InvalidOperationException("The manifest gave a wrong answer.");
    }
}
