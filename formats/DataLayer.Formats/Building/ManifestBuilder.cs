using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats;

/// <summary>
/// Builds a snapshot: lists sources, sorts what they list into a tree, and writes the manifest. The same listing gives the
/// same file, byte for byte, in whatever order it arrives and on any machine. Memory does not grow with the listing beyond
/// <see cref="ManifestBuildOptions.MemoryBudget"/> and a few buffers; temporary files beside the output take about 200
/// bytes per entry.
/// </summary>
/// <remarks>
/// The hops: <see cref="ISource.ListAsync"/> → <see cref="EntryCollector"/> (key rules, implied directories) →
/// <see cref="RecordSorter"/> → <see cref="TreeWriter"/> (winners, numbering, columns, packs) → <see cref="ManifestWriter"/>.
/// A refresh is the same with the dataset's manifest so far as <see cref="ManifestBuildOptions.Previous"/>: node, pack and
/// block ids are functions of paths and versions, so what did not change keeps them.
/// </remarks>
public static class ManifestBuilder
{
    /// <param name="sources">
    /// Each with the path below the mount where it is joined ("" for the root). Their order is part of the snapshot.
    /// Below a source's sub-path nothing of the others is visible.
    /// </param>
    /// <param name="outputPath">The manifest. It appears complete and on disk, replacing what was there, or not at all.</param>
    /// <param name="entries">Told the number of keys listed so far.</param>
    /// <returns>The manifest, open.</returns>
    /// <exception cref="ArgumentException">Sources, sub-paths or options that cannot be used; says which.</exception>
    /// <exception cref="SourceException">From listing.</exception>
    /// <exception cref="ManifestException">The previous manifest cannot be used, or the listing exceeds the format.</exception>
    /// <exception cref="IOException">The output or a temporary file beside it cannot be written.</exception>
    public static async Task<Manifest> BuildAsync(
        IReadOnlyList<(ISource Source, string SubPath)> sources, string outputPath, ManifestBuildOptions options,
        IProgress<long>? entries, CancellationToken cancellation)
    {
        options.Validate();
        if (sources.Count is < 1 or > ushort.MaxValue)
            throw new ArgumentException($"A dataset has between 1 and {ushort.MaxValue} sources; {sources.Count} were given.");
        LayoutParameters layout = options.Layout ?? InheritedLayout(options.Previous);
        KeyJudge judge = new([.. sources.Select(source => source.SubPath)]);
        outputPath = Path.GetFullPath(outputPath);
        TempFiles temp = new(Path.GetDirectoryName(outputPath)!);

        using ReportCollector report = new(temp, options.MemoryBudget / 8, options.ReportLimit);
        using RecordSorter sorter = new(temp, options.MemoryBudget / 2);
        EntryCollector collector = new(judge, sorter, report, sources.Count);
        long listed = 0;
        for (int i = 0; i < sources.Count; i++)
        {
            await foreach (IReadOnlyList<SourceEntry> page in sources[i].Source.ListAsync(cancellation).WithCancellation(cancellation).ConfigureAwait(false))
            {
                foreach (SourceEntry entry in page) collector.Add(i, entry);
                listed += page.Count;
                entries?.Report(listed);
            }
        }

        ManifestSource[] recorded = [.. sources.Select(source => new ManifestSource(source.Source.Identity, KeyJudge.Normalize(source.SubPath)))];
        // Seconds of work at millions of entries: not on the thread that answered the last page.
        await Task.Run(() => Finish(sorter, report, judge, recorded, layout, options, temp, outputPath, cancellation), cancellation).ConfigureAwait(false);
        return Manifest.Open(outputPath);
    }

    static LayoutParameters InheritedLayout(string? previous)
    {
        if (previous is null) return new LayoutParameters();
        using Manifest manifest = Manifest.Open(previous);
        return manifest.Layout;
    }

    static void Finish(
        RecordSorter sorter, ReportCollector report, KeyJudge judge, ManifestSource[] sources, LayoutParameters layout,
        ManifestBuildOptions options, TempFiles temp, string outputPath, CancellationToken cancellation)
    {
        using ManifestColumns columns = new(temp);
        using IdOrder nodeIds = new(temp, options.MemoryBudget / 2);
        using IdOrder packIds = new(temp, options.MemoryBudget / 2);
        using IdOrder largeIds = new(temp, options.MemoryBudget / 2);
        using TreeWriter tree = new(columns, nodeIds, packIds, largeIds, temp, judge, report, sources, layout, options.NodeIdBits);
        tree.Write(sorter.Finish(), cancellation);

        NodeTable nodes = new(nodeIds, columns, options.NodeIdBits);
        nodes.Write(cancellation);
        foreach ((_, uint pack) in packIds.InOrder(NoOverrides)) columns.PackIndex.Add(pack);
        foreach ((ulong prefixAndEntry, _) in largeIds.InOrder(NoOverrides))
        {
            columns.LargeIndex.Append((uint)(prefixAndEntry >> 32));
            columns.LargeIndex.Append((uint)prefixAndEntry);
        }
        report.Write(columns.Report);

        ManifestMeta meta = new()
        {
            Layout = layout,
            EntryCount = tree.EntryCount,
            DirectoryCount = tree.DirectoryCount,
            FileCount = tree.FileCount,
            TotalBytes = tree.TotalBytes,
            PackCount = tree.PackCount,
            ClassCount = tree.ClassCount,
            NodeSlots = nodes.Slots,
            NodeProbe = nodes.Probe,
            UnrepresentableCount = report.Count,
            ReportedCount = report.Reported,
            Sources = sources,
        };
        Publish(outputPath, file => ManifestWriter.Write(file, columns, meta, cancellation));
    }

    static readonly Dictionary<uint, ulong> NoOverrides = [];

    /// <summary>
    /// Write, sync, rename: after a crash at any moment the path holds the old file or the new one, whole. The rename itself
    /// may be lost with the power; then it was the old one.
    /// </summary>
    static void Publish(string path, Action<SafeFileHandle> write)
    {
        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (SafeFileHandle file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.ReadWrite))
            {
                write(file);
                RandomAccess.FlushToDisk(file);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
