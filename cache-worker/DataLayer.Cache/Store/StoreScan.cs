using System.IO.Enumeration;
using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>A block file on disk.</summary>
/// <param name="Bytes">Of disk, to count.</param>
/// <param name="Steps">For a large file: what was admitted of it.</param>
/// <param name="ContentBytes">Of the files in it that were admitted.</param>
internal readonly record struct FoundBlock(BlockFileId Id, DatasetTag Tag, long Bytes, long ContentBytes, AdmittedSteps? Steps);

/// <summary>
/// Finds the block files of a store by name, with one stat for each file. Packs are not opened: a damaged sidecar shows
/// when the block is. A data file without sidecar, or the reverse, is what a crash left while a block was made: removed.
/// </summary>
internal static class StoreScan
{
    readonly record struct Found(BlockFileId Id, bool IsData, DatasetTag Tag, long Length);

    public static void Run(StorePaths paths, Action<FoundBlock> found)
    {
        List<FoundBlock>[] folders = new List<FoundBlock>[256];
        Parallel.For(0, 256, new ParallelOptions { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount) },
            i => folders[i] = ScanFolder(paths, i));
        foreach (List<FoundBlock> folder in folders)
            foreach (FoundBlock block in folder) found(block);
    }

    static List<FoundBlock> ScanFolder(StorePaths paths, int folder)
    {
        FileSystemEnumerable<Found> files = new(paths.Folder(folder), Parse, new EnumerationOptions { AttributesToSkip = 0 })
        {
            // A name in another folder than its own is nobody's: opening goes by the name.
            ShouldIncludePredicate = (ref FileSystemEntry entry) => TryParse(ref entry, out Found file) && (int)(file.Id.Value.A >> 56) == folder,
        };
        List<FoundBlock> blocks = [];
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
            else blocks.Add(file.IsData ? Pair(paths, file, other) : Pair(paths, other, file));
        }
        foreach (Found orphan in single.Values) Libc.Unlink(orphan.IsData ? paths.Data(orphan.Id) : paths.Sums(orphan.Id, orphan.Tag));
        return blocks;
    }

    static FoundBlock Pair(StorePaths paths, in Found data, in Found sums)
    {
        int units = (int)Math.Clamp((sums.Length - Sidecar.HeaderSize) / Sidecar.RecordSize, 0, int.MaxValue / Sidecar.RecordSize);
        // As many units as MiB: almost surely a large file, and the sidecar says so for certain.
        AdmittedSteps? steps = units == (data.Length + FileLocation.LargeUnit - 1) / FileLocation.LargeUnit ? AdmittedSteps.Read(paths.Sums(sums.Id, sums.Tag)) : null;
        return new FoundBlock(data.Id, sums.Tag, steps?.Bytes ?? new BlockSpec(data.Id, true, data.Length, units).AdmittedBytes, steps?.ContentBytes ?? data.Length, steps);
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
