using System.Text;
using DataLayer.Formats;
using DataLayer.Formats.Tabular;
using DataLayer.Formats.Tabular.Rows;

namespace DataLayer.Sources.Odps;

/// <summary>
/// Makes the entries of one listing: the exported files, and <c>.table/</c> with what describes them. The same export and
/// options give the same entries, whatever the order in which files were looked at.
/// </summary>
sealed class ExportTable(ISource source, OdpsOptions options, TableFolders folders, Action<IndexingProgress>? indexing)
{
    // Heads and footers are small and wait for the server: as many at once as hide its latency.
    const int FilesAtOnce = 16;

    readonly List<SourceEntry> entries = [];
    long newestNs = SourceEntry.NoTime;

    public async Task<(IReadOnlyList<SourceEntry> Entries, IReadOnlyList<string> Notices)> BuildAsync(ExportLayout layout, CancellationToken cancellation)
    {
        entries.AddRange(layout.Others);
        TableReport report = new(layout, new TableStatistics());
        TableSchema schema = new();
        ExportFile[] files = [.. layout.Files];
        FileFacts[] facts = new FileFacts[files.Length];
        string[] shown = new string[files.Length];
        HashSet<string> taken = [.. layout.Files.Select(file => file.Path), .. layout.Others.Select(other => Encoding.UTF8.GetString(other.Key))];
        for (int first = 0; first < files.Length; first += FilesAtOnce)
        {
            int count = Math.Min(FilesAtOnce, files.Length - first);
            await Parallel.ForEachAsync(Enumerable.Range(first, count), new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = cancellation }, async (i, stop) =>
            {
                files[i] = files[i] with { Format = await TableFormatDetection.DetectAsync(new SourceFileAccess(source, files[i].Source, files[i].Path), stop) };
                facts[i] = await FileFacts.ReadAsync(source, files[i], options, alone: false, stop);
            });
            for (int i = first; i < first + count; i++)
            {
                if (facts[i].WantsMemory) facts[i] = await FileFacts.ReadAsync(source, files[i], options, alone: true, cancellation);
                shown[i] = AddFile(files[i], taken);
                schema.Add(files[i], facts[i]);
                if (facts[i].Fault is { } fault) report.Faults.Add(fault);
                // In order, and then only what rows need stays: footers of a large table would fill the memory.
                if (facts[i].Text is null) report.Statistics.Add(shown[i], files[i], facts[i], null);
                facts[i] = facts[i] with { Parquet = null };
            }
        }
        report.Notices.AddRange(layout.Notices);
        report.Notices.AddRange(schema.Notices);

        PartitionFilter? filter = options.Where is null ? null : PartitionFilter.Parse(options.Where);
        if (filter?.Columns.FirstOrDefault(name => !schema.PartitionColumns.Contains(name)) is { } unknown)
            throw new SourceException(SourceFault.Misconfigured, $"--where: '{unknown}' is no partition column; {(schema.PartitionColumns.Count == 0 ? "this export has no k=v directories" : $"there are {string.Join(", ", schema.PartitionColumns)}")}.");
        IReadOnlyList<string> columns = schema.RowColumns(options.Columns);
        RowIndex?[] indexes = new RowIndex?[files.Length];
        bool[] included = [.. files.Select(file => filter?.Includes(file.Partition) != false)];
        if (CanHaveRows(report, facts, included)) await AddRowsAsync(report, schema, columns, files, facts, included, indexes, cancellation);
        for (int i = 0; i < files.Length; i++)
            if (facts[i].Text is not null) report.Statistics.Add(shown[i], files[i], facts[i], indexes[i]?.Rows);
        report.Statistics.Files.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
        AddStored("schema.json", TableJson.Schema(schema));
        AddStored("stats.json", TableJson.Statistics(report));
        return (entries, [.. report.Notices, .. report.RowsAbsent is { } absent && options.Rows != RowViews.None ? new[] { $"no row views: {absent}" } : []]);
    }

    /// <summary>The exported file as it is, under a name that tells its format.</summary>
    string AddFile(ExportFile file, HashSet<string> taken)
    {
        if (file.Entry.MtimeNs > newestNs) newestNs = file.Entry.MtimeNs;
        string added = options.KeepNames || file.Name.Contains('.') ? "" : FormatName.Extension(file.Format);
        // A name that is taken stays without; so does one that would be longer than a name can be.
        if (added.Length > 0 && (Encoding.UTF8.GetByteCount(file.Name) + added.Length > 255 || !taken.Add(file.Path + added))) added = "";
        byte[] key = [.. file.Entry.Key, .. Encoding.UTF8.GetBytes(added)];
        entries.Add(file.Entry with { Key = key, VersionTag = DerivedFile.FileTag(file.Entry.VersionTag ?? [], added.Length) });
        return file.Path + added;
    }

    bool CanHaveRows(TableReport report, FileFacts[] facts, bool[] included)
    {
        report.RowsAbsent =
            options.Rows == RowViews.None ? "they were not asked for: --rows all makes them"
            : report.Layout.Ambiguity is { } ambiguity ? ambiguity
            : facts.Length == 0 ? "the export has no files"
            : facts.Where((_, i) => included[i]).FirstOrDefault(one => one.Fault is not null) is { } bad ? $"{bad.Fault!.File}: {bad.Fault.Error}"
            : null;
        return report.RowsAbsent is null;
    }

    async Task AddRowsAsync(
        TableReport report, TableSchema schema, IReadOnlyList<string> columns, ExportFile[] files, FileFacts[] facts, bool[] included, RowIndex?[] indexes, CancellationToken cancellation)
    {
        int[] chosen = [.. Enumerable.Range(0, files.Length).Where(i => included[i])];
        RowRecipe[] recipes = [.. chosen.Select(i => schema.Recipe(files[i], facts[i], columns))];
        TableFault?[] faults = new TableFault?[chosen.Length];
        long done = 0, text = 0;
        // One per core: decoding is work for the processor. What was indexed before is only read.
        await Parallel.ForEachAsync(Enumerable.Range(0, chosen.Length), new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellation }, async (i, stop) =>
        {
            try
            {
                indexes[chosen[i]] = await IndexAsync(recipes[i], found => Report(0, found), stop);
            }
            catch (TabularException e)
            {
                faults[i] = TableFault.Of(files[chosen[i]].Path, e);
            }
            Report(1, 0);
        });
        void Report(int finished, long found) =>
            indexing?.Invoke(new IndexingProgress(Interlocked.Add(ref done, finished), chosen.Length, Interlocked.Add(ref text, found)));

        report.Faults.AddRange(faults.OfType<TableFault>());
        if (faults.FirstOrDefault(fault => fault is not null) is { } first)
        {
            report.RowsAbsent = $"{first.File} at byte {first.Offset}: {first.Error}";
            return;
        }
        StoredTable table = new(CsvHeader(columns));
        for (int i = 0; i < chosen.Length; i++)
        {
            RowIndex index = indexes[chosen[i]]!;
            table.Add(new StoredTable.Input(recipes[i], index.Rows, index.Bytes(RowFormat.JsonLines), index.Bytes(RowFormat.Csv)));
        }
        RowViewFiles views = new(table, folders.Write("table", table.Encode()), [.. chosen.Select(i => indexes[i]!)]);
        if (options.Rows.HasFlag(RowViews.JsonLines)) AddView(views, "rows.jsonl", RowFormat.JsonLines);
        if (options.Rows.HasFlag(RowViews.Csv)) AddView(views, "rows.csv", RowFormat.Csv);
        if (!options.Rows.HasFlag(RowViews.Parts)) return;
        foreach ((TableReport.View part, long start) in views.Parts(options.Parts))
        {
            Add(part.Name, part.Bytes, DerivedFile.ViewTag(views.Id, RowFormat.JsonLines, start));
            report.Views.Add(part);
        }

        void AddView(RowViewFiles made, string name, RowFormat format)
        {
            Add(name, table.Bytes(format), DerivedFile.ViewTag(made.Id, format, 0));
            AddStored($"{name}.index", made.OffsetIndex(format));
            report.Views.Add(new TableReport.View(name, 0, table.Rows, table.Bytes(format), $"{name}.index"));
        }
    }

    async Task<RowIndex> IndexAsync(RowRecipe recipe, Action<long> progress, CancellationToken cancellation)
    {
        Digest id = recipe.Id(source.Identity);
        if (folders.TryRead(id, "rows") is { } known) return RowIndex.Decode(known);
        RowIndex index = await RowIndexer.BuildAsync(source, recipe, null, progress, cancellation);
        folders.Write(id, "rows", index.Encode());
        return index;
    }

    static byte[] CsvHeader(IReadOnlyList<string> columns)
    {
        using RowOutput output = new();
        RowFormatter.WriteCsvHeader(columns, output);
        return output.Written.ToArray();
    }

    void AddStored(string name, byte[] content) => Add(name, content.Length, DerivedFile.StoredTag(folders.Write("stored", content)));

    void Add(string name, long size, byte[] tag) => entries.Add(new SourceEntry
    {
        Key = Encoding.UTF8.GetBytes($".table/{name}"),
        Kind = EntryKind.File,
        Size = size,
        MtimeNs = newestNs,
        Mode = -1,
        Uid = -1,
        Gid = -1,
        VersionTag = tag,
    });
}
