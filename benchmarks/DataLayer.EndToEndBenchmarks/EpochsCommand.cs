using System.CommandLine;
using System.Diagnostics;
using System.Runtime.InteropServices;
using DataLayer.EndToEndBenchmarks.Phases;
using DataLayer.EndToEndBenchmarks.Report;
using DataLayer.EndToEndBenchmarks.Targets;
using Spectre.Console;

namespace DataLayer.EndToEndBenchmarks;

/// <summary>`dl-bench epochs`: the whole benchmark.</summary>
internal static class EpochsCommand
{
    private static readonly Option<string> Folder = new("--folder")
    {
        Description = "holds data sets (kept) and everything temporary (removed), on the disk to be measured",
        DefaultValueFactory = _ => "/var/tmp/dl-bench",
    };
    private static readonly Option<bool> Quick = new("--quick") { Description = "a tenth of the data and 3 rounds: to see that all works" };
    private static readonly Option<int?> Files = new("--files") { Description = "files of W1 (20,000)" };
    private static readonly Option<int?> SmallFiles = new("--small-files") { Description = "files of W2 (50,000)" };
    private static readonly Option<int?> LargeMegabytes = new("--large-mib") { Description = "MiB of W3 (2,048)" };
    private static readonly Option<int?> Rounds = new("--rounds") { Description = "alternations between the targets (5)" };
    private static readonly Option<bool> Peers = new("--peers") { Description = "also rclone and s3fs, where installed: takes many minutes" };
    private static readonly Option<bool> Stub = new("--stub") { Description = "also dl-fuse with its own logic bypassed" };
    private static readonly Option<string[]> Targets = Names("--targets", "only these of ext4, tmpfs, dl-fuse, dl-stub, rclone, s3fs");
    private static readonly Option<string[]> Data = Names("--data", "only these of w1, w2, w3");
    private static readonly Option<string[]> Only = Names("--only", "only these phases: " + string.Join(", ", BenchmarkRun.PhaseNames));
    private static readonly Option<string> Json = new("--json") { Description = "writes every number to this file" };
    private static readonly Option<string> Markdown = new("--markdown") { Description = "writes the table to this file" };
    private static readonly Option<int?> LimitMinutes = new("--limit-minutes") { Description = "nothing new starts after this time (60, with --peers 180)" };
    private static readonly Option<string> Program = new("--dl-fuse") { Description = "the program to measure (the one built from this checkout)" };
    private static readonly Option<string> MountOptions = new("--mount-options") { Description = "further options for dl-fuse mount, in one argument" };

    internal static Command Create()
    {
        var command = new Command("epochs", "Makes data, serves it, mounts it, reads it in all the ways that matter, and prints how it compares.")
        {
            Folder, Quick, Files, SmallFiles, LargeMegabytes, Rounds, Peers, Stub, Targets, Data, Only, Json, Markdown, LimitMinutes, Program, MountOptions,
        };
        command.SetAction(Run);
        return command;
    }

    private static async Task<int> Run(ParseResult parsed, CancellationToken ended)
    {
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(ended);
        using PosixSignalRegistration onTerm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, cancellation));
        using PosixSignalRegistration onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, cancellation));
        BenchmarkOptions options = OptionsOf(parsed);
        long start = Stopwatch.GetTimestamp();
        Directory.CreateDirectory(options.Folder);
        Machine machine = await Machine.Describe(options.Folder);
        if (machine.Filesystem != "ext4")
            Console.Error.WriteLine($"note: {options.Folder} is on {machine.Filesystem}; the column ext4 shows that filesystem");
        var results = new Results(Console.Error);
        int code = 0;
        try
        {
            await BenchmarkRun.Run(options, results, Console.Error, cancellation.Token);
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("stopped; what was measured until then:");
            code = 130;
        }

        IReadOnlyList<Row> rows = new Report.Table(results, options).Build();
        if (Console.IsOutputRedirected)
        {
            // Some environments claim a colour terminal for pipes and files too; and nothing folds lines there.
            AnsiConsole.Profile.Width = 250;
            AnsiConsole.Profile.Capabilities.ColorSystem = ColorSystem.NoColors;
        }

        ReportWriter.Print(rows, results.Failures, machine, AnsiConsole.Console);
        if (parsed.GetValue(Json) is { } json) await File.WriteAllTextAsync(json, ReportWriter.ToJson(rows, results, machine, options), CancellationToken.None);
        if (parsed.GetValue(Markdown) is { } markdown) await File.WriteAllTextAsync(markdown, ReportWriter.Markdown(rows, machine), CancellationToken.None);
        Console.Error.WriteLine($"took {Stopwatch.GetElapsedTime(start).TotalMinutes:F1} min");
        return code;
    }

    private static void Stop(PosixSignalContext context, CancellationTokenSource cancellation)
    {
        // The run unwinds and cleans up by itself.
        context.Cancel = true;
        cancellation.Cancel();
    }

    private static BenchmarkOptions OptionsOf(ParseResult parsed)
    {
        bool quick = parsed.GetValue(Quick);
        string[] data = parsed.GetValue(Data) is { Length: > 0 } chosen ? chosen : ["w1", "w2", "w3"];
        List<string> targets = [.. parsed.GetValue(Targets) is { Length: > 0 } named ? named : ["ext4", "tmpfs", "dl-fuse"]];
        if (parsed.GetValue(Peers)) targets.AddRange(((string[])["rclone", "s3fs"]).Where(Shell.IsInstalled));
        if (parsed.GetValue(Stub)) targets.Add("dl-stub");
        string program = parsed.GetValue(Program) ?? "";
        if (targets.Any(target => target.StartsWith("dl-", StringComparison.Ordinal))) program = Find(program);
        string[] only = parsed.GetValue(Only) ?? [];
        if (only.Except(BenchmarkRun.PhaseNames).FirstOrDefault() is { } unknown)
            throw new BenchmarkException($"no phase is called {unknown}: {string.Join(", ", BenchmarkRun.PhaseNames)}");
        int rounds = parsed.GetValue(Rounds) ?? (quick ? 3 : 5);
        return new BenchmarkOptions
        {
            Folder = Path.GetFullPath(parsed.GetRequiredValue(Folder)),
            Files = parsed.GetValue(Files) ?? (quick ? 2_000 : 20_000),
            SmallFiles = parsed.GetValue(SmallFiles) ?? (quick ? 5_000 : 50_000),
            LargeBytes = (long)(parsed.GetValue(LargeMegabytes) ?? (quick ? 256 : 2_048)) << 20,
            Data = data,
            Targets = targets,
            Only = only,
            Rounds = rounds,
            ColdRounds = Math.Min(rounds, quick ? 1 : 3),
            MemoryEpochs = quick ? 8 : 20,
            Limit = TimeSpan.FromMinutes(parsed.GetValue(LimitMinutes) ?? (parsed.GetValue(Peers) ? 180 : 60)),
            Program = program,
            MountOptions = (parsed.GetValue(MountOptions) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries),
        };
    }

    /// <summary>The given program, or the one that was built in the checkout that this one was built in.</summary>
    private static string Find(string program)
    {
        const string Built = "fusefs/DataLayer.FuseFs/bin/Release/net10.0/dl-fuse";
        if (program.Length == 0)
        {
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "DataLayer.sln"))) folder = Path.GetDirectoryName(folder);
            program = Path.Combine(folder ?? ".", Built);
        }

        return File.Exists(program) ? Path.GetFullPath(program)
            : throw new BenchmarkException($"{program} does not exist: build it (dotnet build -c Release fusefs/DataLayer.FuseFs) or name it with --dl-fuse");
    }

    private static Option<string[]> Names(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result => [.. result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.RemoveEmptyEntries))],
        AllowMultipleArgumentsPerToken = true,
    };
}
