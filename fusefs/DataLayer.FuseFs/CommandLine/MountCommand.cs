using System.CommandLine;
using System.Runtime.InteropServices;
using DataLayer.Fuse;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse mount`.</summary>
static class MountCommand
{
    public static Command Create() => Build().Command;

    /// <summary>Reads a command line that was read before, by this version or another.</summary>
    /// <param name="arguments">What followed `mount`.</param>
    /// <exception cref="UserException">This version does not understand it.</exception>
    public static MountOptions Parse(IReadOnlyList<string> arguments)
    {
        (Command command, Func<ParseResult, MountOptions> read) = Build();
        ParseResult parsed = command.Parse(arguments);
        return parsed.Errors.Count == 0 ? read(parsed) : throw new UserException($"mount {string.Join(' ', arguments)}: {parsed.Errors[0].Message}");
    }

    static (Command Command, Func<ParseResult, MountOptions> Read) Build()
    {
        Argument<string[]> places = new("SOURCE[=SUBPATH]... MOUNTPOINT")
        {
            Description = "One or more sources (s3://bucket/prefix, oss://bucket/prefix, nfs://server/export or a directory, or odps+ and one of them for a table export), each joined at SUBPATH when given, and the directory to mount at, made when missing.",
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string?> cacheDir = new("--cache-dir") { Description = "Directory of the cache (default: the user's cache directory).", HelpName = "D" };
        Option<long> cacheSize = SharedOptions.Parsed<long>("--cache-size", "SIZE", "Hard limit of the cache (default: 20GiB).", Values.TryParseSize, "20GiB", () => 20L << 30);
        Option<string?> snapshot = new("--snapshot") { Description = "Mount this snapshot file at once instead of listing the sources.", HelpName = "FILE" };
        Option<TimeSpan> refresh = SharedOptions.Parsed<TimeSpan>("--refresh", "TIME", "List again this often and follow changes as a whole (default: stay on one snapshot).", Values.TryParseDuration, "5m");
        Option<TimeSpan> deadline = SharedOptions.Parsed<TimeSpan>("--read-deadline", "TIME", "A read that cannot be answered within this time fails with EIO (default: 60s).", Values.TryParseDuration, "60s", () => TimeSpan.FromSeconds(60));
        Option<bool> allowOther = new("--allow-other") { Description = "Let other users in; permission bits decide." };
        Option<uint?> uid = new("--uid") { Description = "Owner of everything (default: the source's, or you).", HelpName = "N" };
        Option<uint?> gid = new("--gid") { Description = "Group of everything.", HelpName = "N" };
        Option<int> fileMode = SharedOptions.Parsed<int>("--file-mode", "MODE", "Permission bits of files (default: the source's, or 444).", Values.TryParseMode, "444", () => -1);
        Option<int> dirMode = SharedOptions.Parsed<int>("--dir-mode", "MODE", "Permission bits of directories (default: the source's, or 555).", Values.TryParseMode, "555", () => -1);
        Option<bool> xattr = new("--xattr") { Description = "Serve user.datalayer.source, .etag and .cached on files. Costs a message per attribute call." };
        Option<OpenMode> openMode = new("--open-mode") { Description = "none: files open without a message, best for many files. passthrough: the kernel reads complete large files itself (as root), best for few. auto: by what the snapshot holds.", DefaultValueFactory = _ => OpenMode.Auto };
        Option<string?> metrics = new("--metrics") { Description = "Serve Prometheus text at this loopback address.", HelpName = "HOST:PORT" };
        Option<bool> daemon = new("--daemon") { Description = "Return once the mount is ready and serve in the background." };
        Option<string?> logFile = new("--log-file") { Description = "With --daemon: append the log here (default: discarded).", HelpName = "FILE" };
        Option<string[]> without = new("--without") { Description = "Do as if the kernel lacked a FUSE feature (repeatable), for tests and old kernels: see README.", HelpName = "FEATURE", Hidden = true };
        Option<int> minor = new("--fuse-minor") { Description = "Newest FUSE protocol minor to speak, for tests.", Hidden = true, DefaultValueFactory = _ => FuseNegotiation.NewestMinor };
        Option<FuseTransportKind> transport = new("--transport") { Description = "How requests are taken from the kernel.", Hidden = true, DefaultValueFactory = _ => FuseTransportKind.Auto };
        Option<bool> enableUring = new("--enable-uring") { Description = "Turn FUSE over io_uring on for this machine where the kernel has it (root)." };
        Option<bool> noUring = new("--no-io-uring") { Description = "Take requests from /dev/fuse even where io_uring is on." };
        Option<bool> hold = new("--hold") { Description = "Keep the mount alive when the process that serves it dies or is upgraded: callers wait a moment instead of failing." };
        Option<TimeSpan> patience = SharedOptions.Parsed<TimeSpan>("--hold-patience", "TIME", "With --hold: when nobody can serve for this long, calls fail with EIO until somebody can (default: 30s).", Values.TryParseDuration, "30s", () => TimeSpan.FromSeconds(30));
        Option<bool> noStandby = new("--no-standby") { Description = "With --hold: keep no second process ready. Saves its memory, and a death stalls callers for as long as a start takes." };
        SharedOptions shared = new();

        Command command = new("mount", """
            Mount sources as one read-only directory tree.

            The tree is a snapshot: it shows the sources as they were listed, and never mixes two versions of a file.
            Runs in the foreground until interrupted, prints one line when ready.
            """)
        {
            places, cacheDir, cacheSize, snapshot, refresh, deadline, allowOther, uid, gid, fileMode, dirMode, openMode, xattr, metrics, daemon, logFile, without, minor, transport, enableUring, noUring, hold, patience, noStandby,
        };
        shared.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(places) is { Length: < 2 }) result.AddError("mount takes at least one SOURCE and a MOUNTPOINT.");
        });
        SharedOptions.RefuseUnknownOptions(command, places);
        command.SetAction(async (parsed, cancellation) =>
        {
            MountOptions options = Read(parsed);
            if (parsed.GetValue(daemon)) return Daemon.Start(parsed.GetValue(logFile));
            if (options.Hold is not null) return HoldCommands.Run(options, [.. Environment.GetCommandLineArgs().SkipWhile(static argument => argument != "mount").Skip(1)]);
            await RunAsync(options, cancellation);
            return 0;
        });
        return (command, Read);

        MountOptions Read(ParseResult parsed)
        {
            string[] all = parsed.GetValue(places)!;
            FuseFeatures disabled = FuseFeatures.None;
            foreach (string name in parsed.GetValue(without) ?? [])
            {
                if (!Enum.TryParse(name, ignoreCase: true, out FuseFeatures feature))
                    throw new UserException($"--without {name}: known features are {string.Join(", ", Enum.GetNames<FuseFeatures>())}.");
                disabled |= feature;
            }

            MountOptions options = new()
            {
                Sources = all[..^1].Select(SourceArgument.Parse).ToArray(),
                MountPoint = Path.GetFullPath(all[^1]),
                CacheDirectory = parsed.GetValue(cacheDir) is { } chosen ? Path.GetFullPath(chosen) : DefaultCacheDirectory(),
                CacheSize = parsed.GetValue(cacheSize),
                SourceOptions = shared.Read(parsed),
                SnapshotFile = parsed.GetValue(snapshot),
                Refresh = parsed.GetResult(refresh) is null ? null : parsed.GetValue(refresh),
                ReadDeadline = parsed.GetValue(deadline),
                Attributes = new AttributeOptions
                {
                    Uid = parsed.GetValue(uid),
                    Gid = parsed.GetValue(gid),
                    FileMode = parsed.GetValue(fileMode) is >= 0 and int f ? f : null,
                    DirectoryMode = parsed.GetValue(dirMode) is >= 0 and int d ? d : null,
                },
                OpenMode = parsed.GetValue(openMode),
                Xattr = parsed.GetValue(xattr),
                Metrics = parsed.GetValue(metrics),
                Hold = parsed.GetValue(hold) ? new HoldOptions { Patience = parsed.GetValue(patience), Standby = !parsed.GetValue(noStandby) } : null,
                Fuse = new FuseOptions
                {
                    AllowOther = parsed.GetValue(allowOther),
                    DisabledFeatures = disabled,
                    MaxMinor = parsed.GetValue(minor),
                    Transport = parsed.GetValue(noUring) ? FuseTransportKind.ClonedDescriptors : parsed.GetValue(transport),
                    EnableUring = parsed.GetValue(enableUring),
                },
            };
            options.Validate();
            return options;
        }
    }

    static async Task RunAsync(MountOptions options, CancellationToken cancellation)
    {
        await using MountSession session = await MountSession.StartAsync(options, cancellation);
        // A second signal while readers still hold the mount ends their wait.
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        Console.WriteLine($"mounted {session.Description} at {options.MountPoint}");
        await Console.Out.FlushAsync(CancellationToken.None);
        Daemon.Detach();
        await session.Ended;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            session.RequestStop();
        }
    }

    internal static string DefaultCacheDirectory()
    {
        if (CurrentUser.IsRoot) return "/var/cache/datalayer";
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (string.IsNullOrEmpty(cache)) cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "datalayer");
    }
}
