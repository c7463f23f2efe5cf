using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Parquet;
using DataLayer.Sources;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>
/// Warms the part of a mounted table that a query over some columns and partitions reads: of Parquet files the footer and
/// the chunks of those columns, of other files all. It reads them through the mount, as any reader would, with the
/// kernel's read-ahead turned off; the cache fetches whole units of 1 MiB.
/// </summary>
sealed class WarmColumns(string mount, IReadOnlyList<string>? columns, string? where)
{
    // As many readers keep a source busy; each waits for one unit.
    const int Readers = 16;
    const int Piece = 1 << 20;

    readonly PartitionFilter? filter = where is null ? null : PartitionFilter.Parse(where);
    readonly HashSet<string> seenColumns = [];
    readonly HashSet<string> seenPartitions = [];
    readonly Lock gate = new();

    readonly record struct Range(string Path, long Offset, long Length);

    /// <param name="paths">Files or directories, relative to the mount; none for all of it.</param>
    /// <exception cref="UserException">A column or partition that no file has, or a path that is not there.</exception>
    public async Task<WarmedTable> RunAsync(IReadOnlyList<string> paths, Action<long, long> show, CancellationToken cancellation)
    {
        string[] files = [.. (paths.Count == 0 ? [""] : paths).SelectMany(FilesBelow).Where(Includes)];
        foreach (string name in filter?.Columns ?? new HashSet<string>())
            if (!seenPartitions.Contains(name)) throw new UserException($"--where: no directory is a partition of '{name}'.");
        List<Range> ranges = [];
        List<string> faults = [];
        await Parallel.ForEachAsync(files, new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = cancellation }, async (file, stop) =>
        {
            try
            {
                IReadOnlyList<Range> found = await RangesAsync(file, stop);
                lock (gate) ranges.AddRange(found);
            }
            catch (TabularException fault)
            {
                lock (gate) faults.Add(fault.Message);
            }
        });
        if (faults.Count == 0 && columns?.FirstOrDefault(name => !seenColumns.Contains(name)) is { } missing && files.Length > 0)
            throw new UserException($"--columns: no Parquet file has a column '{missing}'; there are {string.Join(", ", seenColumns.Order())}.");
        long total = ranges.Sum(range => range.Length), done = 0;
        await Parallel.ForEachAsync(ranges.SelectMany(Pieces), new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = cancellation }, (piece, _) =>
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle handle = File.OpenHandle(piece.Path, options: FileOptions.RandomAccess);
            byte[] buffer = new byte[piece.Length];
            for (int read = 0, got; read < buffer.Length && (got = RandomAccess.Read(handle, buffer.AsSpan(read), piece.Offset + read)) > 0;) read += got;
            show(Interlocked.Add(ref done, piece.Length), total);
            return ValueTask.CompletedTask;
        });
        return new WarmedTable(files.Length, total, faults);
    }

    static IEnumerable<Range> Pieces(Range range)
    {
        for (long at = 0; at < range.Length; at += Piece) yield return range with { Offset = range.Offset + at, Length = Math.Min(Piece, range.Length - at) };
    }

    IEnumerable<string> FilesBelow(string path)
    {
        string full = Path.Combine(mount, path);
        if (File.Exists(full)) return [full];
        if (!Directory.Exists(full)) throw new UserException($"'{path}' is not in the mounted snapshot.");
        return new DirectoryInfo(full).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .Select(file => file.FullName)
            .Where(name => !Path.GetRelativePath(mount, name).Split('/').Contains(".table"));
    }

    bool Includes(string file)
    {
        List<KeyValuePair<string, string?>> partition = PartitionFilter.PartitionOf(Path.GetRelativePath(mount, file));
        foreach ((string name, _) in partition) seenPartitions.Add(name);
        return filter?.Includes(partition) != false;
    }

    async Task<IReadOnlyList<Range>> RangesAsync(string path, CancellationToken cancellation)
    {
        using LocalFile file = new(path);
        if (columns is null || await TableFormatDetection.DetectAsync(file, cancellation) != TableFormat.Parquet) return [new Range(path, 0, file.Length)];
        // Opening reads the footer, which a reader wants too.
        ParquetFile parquet = await ParquetFile.OpenAsync(file, null, cancellation);
        lock (gate) seenColumns.UnionWith(parquet.Metadata.Root.Children.Select(field => field.Name));
        return [.. parquet.Metadata.RowGroups.SelectMany(group => group.Columns)
            .Where(chunk => columns.Contains(TopLevel(chunk.Column).Name) && chunk.CompressedSize > 0)
            .Select(chunk => new Range(path, chunk.Offset, Math.Min(chunk.CompressedSize, file.Length - chunk.Offset)))];
    }

    static SchemaNode TopLevel(SchemaNode leaf) => leaf.Parent is { Parent: { } } parent ? TopLevel(parent) : leaf;
}

/// <summary>What was warmed.</summary>
/// <param name="Faults">Files that are not what they seem, a line each.</param>
readonly record struct WarmedTable(long Files, long Bytes, IReadOnlyList<string> Faults);
