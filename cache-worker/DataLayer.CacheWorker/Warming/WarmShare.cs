using System.Diagnostics;
using System.Text;
using DataLayer.Cache;
using DataLayer.CacheWorker.Datasets;
using DataLayer.Formats;

namespace DataLayer.CacheWorker.Warming;

/// <summary>Brings into this worker's store what it is the home of, of some paths of a snapshot. What is there already is left: to resume is to run again.</summary>
sealed class WarmShare(ServedSnapshot served, PlacementMap map, string self, ShareRequest request)
{
    // Half a second of a bandwidth limit, and never so many that cancelling waits for long.
    const int CountedPerReport = 1 << 18;
    const int MaxBatchFiles = 4096;
    const long MaxBatchBytes = 256L << 20;

    /// <param name="report">Bytes present so far, and of this share in all; in order.</param>
    /// <exception cref="UserException">A path that the snapshot does not have.</exception>
    public async Task RunAsync(Func<WarmProgress, ValueTask> report, CancellationToken cancellation)
    {
        Manifest manifest = served.Manifest;
        EntryIndex[] roots = request.Paths.Count == 0 ? [EntryIndex.Root] : [.. request.Paths.Select(path => Find(manifest, path)).Distinct()];
        long total = 0, counted = 0;
        foreach (EntryIndex file in FilesBelow(manifest, roots))
        {
            total += OwnBytes(manifest.Locate(file));
            // Counting millions takes seconds, and whoever waits wants a sign of life.
            if (counted++ % CountedPerReport == 0) await report(new WarmProgress(0, total));
        }
        long batchBytes = request.Bandwidth > 0 ? Math.Clamp(request.Bandwidth / 2, FileLocation.LargeUnit, MaxBatchBytes) : MaxBatchBytes;
        Stopwatch clock = Stopwatch.StartNew();
        long done = 0, before = 0;
        List<EntryIndex> batch = [];
        long inBatch = 0;
        foreach (EntryIndex file in FilesBelow(manifest, roots))
        {
            long own = OwnBytes(manifest.Locate(file));
            if (own == 0) continue;
            batch.Add(file);
            if ((inBatch += own) >= batchBytes || batch.Count >= MaxBatchFiles) await FlushAsync();
        }
        await FlushAsync();

        async Task FlushAsync()
        {
            if (batch.Count == 0) return;
            Task<long> warming = served.Homes.WarmAsync([.. batch], IsOwn, new Reports(bytes => Volatile.Write(ref done, before + bytes)), cancellation);
            while (await Task.WhenAny(warming, Task.Delay(500, cancellation)) != warming) await report(new WarmProgress(Volatile.Read(ref done), total));
            before += await warming;
            await report(new WarmProgress(before, total));
            (batch, inBatch) = ([], 0);
            if (request.Bandwidth <= 0) return;
            TimeSpan early = TimeSpan.FromSeconds((double)before / request.Bandwidth) - clock.Elapsed;
            if (early > TimeSpan.Zero) await Task.Delay(early, cancellation);
        }
    }

    sealed class Reports(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }

    long OwnBytes(in FileLocation file)
    {
        if (file.Length == 0) return 0;
        if (file.IsPacked) return IsOwn(new BlockId(file.BlockFile.Value)) ? file.Length : 0;
        long own = 0, slice = served.Manifest.Layout.SliceSize;
        for (long i = 0; i * slice < file.Length; i++)
            if (IsOwn(Recipe.Slice(file.BlockFile, i, slice))) own += Math.Min(slice, file.Length - i * slice);
        return own;
    }

    bool IsOwn(FileLocation file, Unit unit) => IsOwn(new UnitRange(file, unit.Index, 1).Block(served.Manifest.Layout.SliceSize));

    bool IsOwn(in BlockId block)
    {
        Span<int> ranked = stackalloc int[8];
        int count = map.Rank(block, ranked);
        for (int i = 0; i < count; i++)
        {
            string name = map.Workers[ranked[i]].Name;
            if (name == self) return true;
            if (!request.Excluded.Contains(name)) return false;
        }
        return count == 0;
    }

    static EntryIndex Find(Manifest manifest, string path)
    {
        EntryIndex entry = EntryIndex.Root;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            if (!manifest.TryLookup(entry, Encoding.UTF8.GetBytes(name), out entry)) throw new UserException($"'{path}' is not in the dataset.");
        return entry;
    }

    /// <summary>In the order of the manifest within a directory: the files of one pack come together.</summary>
    static IEnumerable<EntryIndex> FilesBelow(Manifest manifest, IReadOnlyList<EntryIndex> roots)
    {
        Stack<EntryIndex> directories = new();
        foreach (EntryIndex root in roots)
        {
            EntryKind kind = manifest.Get(root).Kind;
            if (kind == EntryKind.File) yield return root;
            if (kind == EntryKind.Directory) directories.Push(root);
            while (directories.TryPop(out EntryIndex directory))
            {
                (EntryIndex first, int count) = manifest.Children(directory);
                for (int i = 0; i < count; i++)
                {
                    EntryIndex child = new(first.Value + i);
                    EntryKind found = manifest.Get(child).Kind;
                    if (found == EntryKind.File) yield return child;
                    if (found == EntryKind.Directory) directories.Push(child);
                }
            }
        }
    }
}
