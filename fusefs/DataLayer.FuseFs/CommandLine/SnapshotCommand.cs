using System.CommandLine;
using System.Text.Json;
using DataLayer.Formats;
using DataLayer.FuseFs.Control;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse snapshot`: lists sources into a manifest file.</summary>
static class SnapshotCommand
{
    public static Command Create()
    {
        Argument<string[]> sources = new("SOURCE[=SUBPATH]")
        {
            Description = "s3://bucket/prefix, oss://bucket/prefix, nfs://server/export or a directory, or odps+ and one of them for a table export; joined at SUBPATH when given.",
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string> output = new("--output", "-o") { Description = "File to write.", HelpName = "FILE", Required = true };
        Option<string?> previous = new("--previous") { Description = "An earlier snapshot whose layout to keep, so that unchanged blocks stay cached (default: FILE when it exists).", HelpName = "FILE" };
        Option<bool> relayout = new("--relayout") { Description = "Use this version's layout instead of the earlier snapshot's: every block is cached anew." };
        Option<bool> json = SharedOptions.Json();
        SharedOptions shared = new();
        Command command = new("snapshot", "List sources into a snapshot file that 'dl-fuse mount --snapshot' mounts at once.") { sources, output, previous, relayout, json };
        shared.AddTo(command);
        SharedOptions.RefuseUnknownOptions(command, sources);
        command.SetAction(async (parsed, cancellation) =>
        {
            string file = parsed.GetValue(output)!;
            string? basis = parsed.GetValue(previous) ?? (File.Exists(file) ? file : null);
            await using SourceSet set = SourceSet.Open(parsed.GetValue(sources)!.Select(SourceArgument.Parse).ToArray(), shared.Read(parsed) with { TableFolders = [SnapshotFolder.TablesBeside(file)] });
            ManifestBuildOptions options = new() { Previous = parsed.GetValue(relayout) ? null : basis };
            using Manifest manifest = await Terminal.CountAsync("listing", entries => ManifestBuilder.BuildAsync(set.Joined, file, options, entries, cancellation));
            SnapshotSummary summary = SnapshotSummary.Of(manifest, new FileInfo(file).Length);
            summary.Print(parsed.GetValue(json));
            if (summary.UnrepresentableKeys > 0 && !parsed.GetValue(json))
                Console.Error.WriteLine($"dl-fuse: {summary.UnrepresentableKeys} keys cannot be POSIX paths and were left out; 'dl-fuse show {file} --unrepresentable' lists them.");
            return 0;
        });
        return command;
    }
}

/// <summary>What `snapshot` and `show` tell of a manifest.</summary>
sealed record SnapshotSummary
{
    public required string Id { get; init; }
    public required IReadOnlyList<string> Sources { get; init; }
    public long Files { get; init; }
    public long Directories { get; init; }
    public long Bytes { get; init; }
    public int Packs { get; init; }
    public long LargeFiles { get; init; }
    public long Blocks { get; init; }
    public long UnrepresentableKeys { get; init; }
    public long ManifestBytes { get; init; }

    public static SnapshotSummary Of(Manifest manifest, long manifestBytes) => new()
    {
        Id = manifest.Id.ToString(),
        Sources = manifest.Sources.Select(source => source.SubPath.Length == 0 ? source.Identity : $"{source.Identity}={source.SubPath}").ToArray(),
        Files = manifest.FileCount,
        Directories = manifest.DirectoryCount,
        Bytes = manifest.TotalBytes,
        Packs = manifest.PackCount,
        LargeFiles = manifest.LargeFileCount,
        Blocks = manifest.PackCount + manifest.SumLargeFiles().Slices,
        UnrepresentableKeys = manifest.UnrepresentableCount,
        ManifestBytes = manifestBytes,
    };

    public void Print(bool json)
    {
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(this, ControlJson.Indented.SnapshotSummary));
            return;
        }

        Console.WriteLine($"snapshot     {Id}");
        foreach (string source in Sources) Console.WriteLine($"source       {source}");
        Console.WriteLine($"files        {Files:N0} in {Directories:N0} directories");
        Console.WriteLine($"bytes        {Bytes:N0} ({Values.Size(Bytes)})");
        Console.WriteLine($"packs        {Packs:N0}");
        Console.WriteLine($"large files  {LargeFiles:N0}");
        Console.WriteLine($"blocks       {Blocks:N0}");
        Console.WriteLine($"left out     {UnrepresentableKeys:N0}");
        Console.WriteLine($"manifest     {Values.Size(ManifestBytes)}");
    }
}
