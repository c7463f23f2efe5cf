using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataLayer.Formats;

namespace DataLayer.Sources.Odps;

/// <summary>
/// Sorts the listing of an export's location into data files, files that are shown but hold no rows, and what is hidden.
/// There is no success marker to look for: UNLOAD writes none, and appends to what a place holds.
/// </summary>
sealed class ExportLayout
{
    readonly List<ExportFile> files = [];
    readonly List<SourceEntry> others = [];
    readonly List<string> notices = [];
    readonly SortedDictionary<string, int> runs = new(StringComparer.Ordinal);

    ExportLayout()
    {
    }

    /// <summary>In the order of their keys' bytes.</summary>
    public IReadOnlyList<ExportFile> Files => files;

    /// <summary>Directories and symlinks, passed on as they are.</summary>
    public IReadOnlyList<SourceEntry> Others => others;

    /// <summary>What a user should know about the place, one sentence each.</summary>
    public IReadOnlyList<string> Notices => notices;

    /// <summary>Exporting jobs by id ("" for those of the older kind), with the number of their files before a choice.</summary>
    public IReadOnlyDictionary<string, int> Runs => runs;

    /// <summary>Markers, empty files and working files that are not shown.</summary>
    public int Ignored { get; private set; }

    /// <summary>Files of exports that were not chosen.</summary>
    public int NotChosen { get; private set; }

    /// <summary>Differs when anything of the listing does that the entries made from it depend on.</summary>
    public Digest Id()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> numbers = stackalloc byte[7 * 8];
        foreach (SourceEntry entry in others.Concat(files.Select(file => file.Entry)))
        {
            Span<byte> rest = numbers;
            foreach (long number in (ReadOnlySpan<long>)[entry.Key.Length, (long)entry.Kind, entry.Size, entry.MtimeNs, entry.Mode, entry.Uid, entry.Gid])
            {
                BinaryPrimitives.WriteInt64LittleEndian(rest, number);
                rest = rest[8..];
            }
            hash.AppendData(numbers);
            hash.AppendData(entry.Key);
            // At most one of them, and the kind tells which.
            hash.AppendData(BitConverter.GetBytes((entry.VersionTag ?? entry.LinkTarget ?? []).Length));
            hash.AppendData(entry.VersionTag ?? entry.LinkTarget ?? []);
        }
        hash.AppendData(Encoding.UTF8.GetBytes(string.Join('\n', notices.Append($"{Ignored} {NotChosen} {Ambiguity}"))));
        return Digest.Read(hash.GetHashAndReset());
    }

    /// <summary>Why no row may be shown before a choice is made, or null.</summary>
    public string? Ambiguity { get; private set; }

    public static async Task<ExportLayout> ReadAsync(ISource source, OdpsOptions options, CancellationToken cancellation)
    {
        List<SourceEntry> entries = [];
        await foreach (IReadOnlyList<SourceEntry> page in source.ListAsync(cancellation).WithCancellation(cancellation)) entries.AddRange(page);
        // Sources list in any order; what is derived from a listing must not depend on it.
        entries.Sort((a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));
        ExportLayout layout = new();
        Dictionary<string, HashSet<string>?> committed = await ReadMetasAsync(source, entries, layout, cancellation);
        layout.Sort(entries, committed);
        layout.Choose(options.Export);
        return layout;
    }

    /// <summary>
    /// Writing to an OSS external table without two-phase commit leaves the data below <c>LOCATION/.odps/JOB/</c>, and names
    /// the jobs that were committed in <c>LOCATION/.odps/.meta</c>: <c>{"dirs": ["JOB", …]}</c>. By location, those names;
    /// null when the file cannot be understood.
    /// </summary>
    static async Task<Dictionary<string, HashSet<string>?>> ReadMetasAsync(ISource source, List<SourceEntry> entries, ExportLayout layout, CancellationToken cancellation)
    {
        const int longestMeta = 4 << 20;
        Dictionary<string, HashSet<string>?> committed = new(StringComparer.Ordinal);
        foreach (SourceEntry entry in entries)
        {
            string path = Encoding.UTF8.GetString(entry.Key);
            if (entry.Kind != EntryKind.File || !(path == ".odps/.meta" || path.EndsWith("/.odps/.meta", StringComparison.Ordinal))) continue;
            string location = path[..^".odps/.meta".Length];
            committed[location] = null;
            if (entry.Size > longestMeta)
            {
                layout.notices.Add($"{path} has {entry.Size} bytes, which is no list of committed jobs: {location}.odps is hidden");
                continue;
            }
            byte[] content = new byte[entry.Size];
            await source.ReadAsync(new SourceFile(entry.Key, entry.Size, entry.VersionTag ?? []), 0, content, cancellation);
            if (ParseMeta(content) is { } jobs) committed[location] = jobs;
            else layout.notices.Add($"{path} is not the JSON of committed jobs that this version knows: {location}.odps is hidden");
        }
        return committed;
    }

    static HashSet<string>? ParseMeta(byte[] content)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(content);
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("dirs", out JsonElement dirs) || dirs.ValueKind != JsonValueKind.Array) return null;
            HashSet<string> jobs = new(StringComparer.Ordinal);
            foreach (JsonElement dir in dirs.EnumerateArray())
            {
                if (dir.ValueKind != JsonValueKind.String) return null;
                string job = dir.GetString()!.Trim('/');
                if (job.Length == 0 || job.Contains('/') || job is "." or "..") return null;
                jobs.Add(job);
            }
            return jobs;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    void Sort(List<SourceEntry> entries, Dictionary<string, HashSet<string>?> committed)
    {
        HashSet<string> unlisted = new(StringComparer.Ordinal);
        int foreignTables = 0, uncommitted = 0;
        foreach (SourceEntry entry in entries)
        {
            string path = Encoding.UTF8.GetString(entry.Key);
            string[] components = path.TrimEnd('/').Split('/');
            if (components[0] == ".table")
            {
                foreignTables++;
                continue;
            }
            if (components.Any(ExportName.IsIgnored))
            {
                if (entry.Kind == EntryKind.File) Ignored++;
                continue;
            }
            int odps = Array.IndexOf(components, ".odps");
            if (odps >= 0)
            {
                string location = string.Concat(components.Take(odps).Select(component => component + "/"));
                if (entry.Kind != EntryKind.File) continue;
                if (components.Length == odps + 2 && components[^1] == ".meta") continue;
                if (!committed.TryGetValue(location, out HashSet<string>? jobs)) unlisted.Add(location);
                if (jobs is null || components.Length < odps + 3) continue;
                if (!jobs.Contains(components[odps + 1]))
                {
                    uncommitted++;
                    continue;
                }
            }
            if (entry.Kind != EntryKind.File || (entry.Size == 0 && path.EndsWith('/')))
            {
                others.Add(entry);
                continue;
            }
            if (entry.Size == 0)
            {
                Ignored++;
                continue;
            }
            files.Add(new ExportFile(entry, path, odps >= 0 ? null : ExportName.RunOf(components[^1]), PartitionFilter.PartitionOf(path)));
        }
        foreach (string location in unlisted) notices.Add($"{location}.odps has no .meta file that names its committed jobs: it is hidden");
        if (foreignTables > 0) notices.Add($"the source has a .table directory of its own, with {foreignTables} entries: it is hidden by the one that describes the export");
        if (uncommitted > 0) notices.Add($"{uncommitted} files of jobs that .odps/.meta does not name were never committed, and are hidden");
    }

    void Choose(string? choice)
    {
        foreach (ExportFile file in files)
            if (file.Run is { } run) runs[run] = runs.GetValueOrDefault(run) + 1;
        if (choice is not (null or "all" or "latest"))
        {
            Drop(file => !file.Name.StartsWith(choice, StringComparison.Ordinal));
            if (files.Count == 0 && NotChosen > 0)
                throw new SourceException(SourceFault.Misconfigured, $"No exported file's name begins with '{choice}'; there are the exports {RunList(runs.Keys)}.");
            return;
        }
        foreach (IGrouping<string, ExportFile> directory in files.GroupBy(file => file.Directory).ToArray())
        {
            // The ids begin with a time: the greatest is the latest. Older jobs, "", sort first.
            string[] here = [.. directory.Select(file => file.Run).OfType<string>().Distinct().Order(StringComparer.Ordinal)];
            if (here.Length < 2) continue;
            string place = directory.Key.Length == 0 ? "the location" : directory.Key;
            notices.Add($"{here.Length} exports overlap in {place}: {RunList(here)}{(choice == "latest" ? "; the latest is shown" : choice == "all" ? "; all are shown" : "")}");
            if (choice == "latest") Drop(file => file.Directory == directory.Key && file.Run is { } run && run != here[^1]);
            if (choice is null) Ambiguity ??= $"{here.Length} exports overlap in {place} ({RunList(here)}): choose with --export latest, all, or the beginning of one's name";
        }
    }

    void Drop(Predicate<ExportFile> unwanted) => NotChosen += files.RemoveAll(unwanted);

    static string RunList(IEnumerable<string> runs)
    {
        const int most = 8;
        string[] all = [.. runs.Select(run => run.Length == 0 ? "one without a time in its names" : run)];
        return string.Join(", ", all.Take(most)) + (all.Length > most ? $" and {all.Length - most} more" : "");
    }
}
