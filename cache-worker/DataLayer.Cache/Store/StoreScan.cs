using System.IO.Enumeration;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>
/// Finds the block files of a store by name, with one stat for each file and none opened: a damaged sidecar shows when
/// the block is opened. A data file without sidecar, or the reverse, is what a crash left while a block was made: removed.
/// </summary>
internal static class StoreScan
{
    readonly record struct Found(BlockFileId Id, bool IsData, DatasetTag Tag, long Length);

    /// <param name="found">Id, dataset and bytes of disk to count.</param>
    public static void Run(StorePaths paths, Action<BlockFileId, DatasetTag, long> found)
    {
        List<(Found Data, Found Sums)>[] pairs = new List<(Found, Found)>[256];
        Parallel.For(0, 256, new ParallelOptions { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount) },
            i => pairs[i] = ScanFolder(paths, i));
        foreach (List<(Found Data, Found Sums)> folder in pairs)
            foreach ((Found data, Found sums) in folder)
            {
                int units = (int)Math.Clamp((sums.Length - Sidecar.HeaderSize) / Sidecar.RecordSize, 0, int.MaxValue / Sidecar.RecordSize);
                found(data.Id, sums.Tag, new BlockSpec(data.Id, true, data.Length, units).DiskBytes);
            }
    }

    static List<(Found, Found)> ScanFolder(StorePaths paths, int folder)
    {
        FileSystemEnumerable<Found> files = new(paths.Folder(folder), Parse, new EnumerationOptions { AttributesToSkip = 0 })
        {
            // A name in another folder than its own is nobody's: opening goes by the name.
            ShouldIncludePredicate = (ref FileSystemEntry entry) => TryParse(ref entry, out Found file) && (int)(file.Id.Value.A >> 56) == folder,
        };
        List<(Found, Found)> pairs = [];
        Dictionary<BlockFileId, Found> single = [];
        foreach (Found file in files)
        {
            if (!single.Remove(file.Id, out Found other)) single.Add(file.Id, file);
            else if (other.IsData == file.IsData)
            {
                // Two sidecars: a crash between two tags cannot leave them (rename), a copied directory can. Keep the first.
                Libc.Unlink(paths.Sums(file.Id, file.Tag));
                single.Add(file.Id, other);
            }
            else pairs.Add(file.IsData ? (file, other) : (other, file));
        }
        foreach (Found orphan in single.Values) Libc.Unlink(orphan.IsData ? paths.Data(orphan.Id) : paths.Sums(orphan.Id, orphan.Tag));
        return pairs;
    }

    static Found Parse(ref FileSystemEntry entry) => TryParse(ref entry, out Found found) ? found with { Length = entry.Length } : default;

    static bool TryParse(ref FileSystemEntry entry, out Found found)
    {
        found = default;
        ReadOnlySpan<char> name = entry.FileName;
        if (name.Length < 64 || !Digest.TryParse(name[..64], out Digest id) || entry.IsDirectory) return false;
        if (name.Length == 64) found = new Found(new BlockFileId(id), true, default, 0);
        else if (name[64] == '.' && DatasetTag.TryParse(name[65..], out DatasetTag tag)) found = new Found(new BlockFileId(id), false, tag, 0);
        else return false;
        return true;
    }
}
