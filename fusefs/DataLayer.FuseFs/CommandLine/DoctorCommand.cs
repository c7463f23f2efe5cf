using System.CommandLine;
using System.Text.Json;
using DataLayer.FuseFs.Control;
using DataLayer.FuseFs.Diagnosis;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse doctor`: what would go wrong with a mount here, and what to do about it.</summary>
static class DoctorCommand
{
    public static Command Create()
    {
        Argument<string[]> sources = new("SOURCE") { Description = "Sources to try as well.", Arity = ArgumentArity.ZeroOrMore };
        Option<string?> cacheDir = new("--cache-dir") { Description = "Directory of the cache (default: the user's cache directory).", HelpName = "D" };
        Option<long> cacheSize = SharedOptions.Parsed<long>("--cache-size", "SIZE", "What the cache is to hold (default: 20GiB).", Values.TryParseSize, "20GiB", () => 20L << 30);
        Option<string> mountPoint = new("--mount-point") { Description = "Where mounts are to be (default: /).", HelpName = "PATH", DefaultValueFactory = _ => "/" };
        Option<bool> json = SharedOptions.Json();
        SharedOptions shared = new();
        Command command = new("doctor", "Check kernel, limits, cache disk and sources, and say what to do. Exit code 1 when mounts or a source do not work.") { sources, cacheDir, cacheSize, mountPoint, json };
        shared.AddTo(command);
        SharedOptions.RefuseUnknownOptions(command, sources);
        command.SetAction(async (parsed, cancellation) =>
        {
            List<Finding> findings = [.. KernelChecks.Run(), .. MachineChecks.Run(parsed.GetValue(mountPoint)!)];
            string cache = parsed.GetValue(cacheDir) is { } chosen ? Path.GetFullPath(chosen) : MountCommand.DefaultCacheDirectory();
            findings.AddRange(CacheChecks.Run(cache, parsed.GetValue(cacheSize)));
            foreach (string source in parsed.GetValue(sources) ?? [])
                findings.Add(await SourceChecks.RunAsync(SourceArgument.Parse(source), shared.Read(parsed), cancellation));
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(findings, ControlJson.Indented.ListFinding));
            else foreach (Finding finding in findings) Print(finding);
            return findings.Any(static finding => finding.Verdict == Verdict.Bad) ? 1 : 0;
        });
        return command;
    }

    static void Print(Finding finding)
    {
        string mark = finding.Verdict switch { Verdict.Good => "good", Verdict.Limited => "    ", _ => "BAD " };
        Console.WriteLine($"{mark} {finding.Check,-12} {finding.Found}");
        if (finding.Remedy is { } remedy) Console.WriteLine($"     {"",-12} → {remedy}");
    }
}
