using System.Text;
using DataLayer.Formats;
using DataLayer.FuseFs.Control;

namespace DataLayer.FuseFs;

/// <summary>Brings the files below some paths of a mount into its cache, in pack order, and tells how far it is.</summary>
sealed class WarmUp(DatasetFileSystem fileSystem)
{
    // Files handed to the reader at once: enough to keep it busy, few enough that ten million files need no list of them.
    const int Batch = 16384;

    /// <exception cref="UserException">A path does not exist in the snapshot.</exception>
    public async Task RunAsync(IReadOnlyList<string> paths, Action<WarmProgress> report, CancellationToken cancellation)
    {
        MountedSnapshot snapshot = fileSystem.Current;
        if (!snapshot.TryAcquire()) throw new UserException("the mount is going away.");
        try
        {
            Manifest manifest = snapshot.Manifest;
            EntryIndex[] roots = paths.Count == 0 ? [EntryIndex.Root] : paths.Select(path => Find(manifest, path)).Distinct().ToArray();
            // Unasked, a table is not decoded into several times its size of text.
            HashSet<EntryIndex> left = paths.Count == 0 ? DescriptionsOfTables(manifest) : [];
            (long files, long total) = (0, 0);
            foreach (EntryIndex file in FilesBelow(manifest, roots, left))
            {
                files++;
                total += manifest.Get(file).Size;
            }

            long before = 0;
            (long done, long bytes) = (0, 0);
            foreach (EntryIndex[] batch in FilesBelow(manifest, roots, left).Chunk(Batch))
            {
                Progress progress = new(inBatch =>
                {
                    if (inBatch - bytes + before < (4 << 20)) return;
                    bytes = before + inBatch;
                    report(new WarmProgress { Files = done, Bytes = bytes, TotalBytes = total });
                });
                await snapshot.Reader.WarmAsync(batch, progress, cancellation);
                done += batch.Length;
                before += batch.Sum(file => manifest.Get(file).Size);
                bytes = before;
                report(new WarmProgress { Files = done, Bytes = before, TotalBytes = total });
            }

            report(new WarmProgress { Files = files, Bytes = total, TotalBytes = total, Done = true });
        }
        finally
        {
            snapshot.Release();
        }
    }

    /// <summary>Unlike System.Progress it reports on the caller's thread and so in order.</summary>
    sealed class Progress(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }

    static EntryIndex Find(Manifest manifest, string path)
    {
        EntryIndex entry = EntryIndex.Root;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            if (!manifest.TryLookup(entry, Encoding.UTF8.GetBytes(name), out entry)) throw new UserException($"'{path}' is not in the mounted snapshot.");
        return entry;
    }

    /// <summary>The .table directories of table exports, which hold the row views.</summary>
    static HashSet<EntryIndex> DescriptionsOfTables(Manifest manifest)
    {
        HashSet<EntryIndex> found = [];
        foreach (ManifestSource source in manifest.Sources.Where(source => source.Identity.StartsWith("odps+", StringComparison.Ordinal)))
        {
            EntryIndex entry = EntryIndex.Root;
            if ($"{source.SubPath}/.table".Split('/', StringSplitOptions.RemoveEmptyEntries).All(name => manifest.TryLookup(entry, Encoding.UTF8.GetBytes(name), out entry))) found.Add(entry);
        }
        return found;
    }

    /// <summary>Depth first over directories; the files of one directory, which share packs, come together.</summary>
    static IEnumerable<EntryIndex> FilesBelow(Manifest manifest, IReadOnlyList<EntryIndex> roots, HashSet<EntryIndex> left)
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
                    switch (manifest.Get(child).Kind)
                    {
                        case EntryKind.File: yield return child; break;
                        case EntryKind.Directory when !left.Contains(child): directories.Push(child); break;
                    }
                }
            }
        }
    }
}
