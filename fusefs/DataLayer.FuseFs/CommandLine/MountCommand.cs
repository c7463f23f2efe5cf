using System.CommandLine;
using System.Runtime.InteropServices;
using DataLayer.Cache;
using DataLayer.Fuse;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse mount`.</summary>
static class MountCommand
{
    public static Command Create()
    {
        Argument<string[]> places = new("SOURCE[=SUBPATH]... MOUNTPOINT")
        {
            Description = "One or more sources (s3://bucket/prefix, oss://bucket/prefix or a directory), each joined at SUBPATH when given, and the directory to mount at, made when missing.",
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string?> cacheDir = new("--cache-dir") { Description = "Directory of the cache (default: the user's cache directory).", HelpName = "D" };
        Option<long> cacheSize = SharedOptions.Parsed<long>("--cache-size", "SIZE", "Hard limit of the cache (default: 20GiB).", Values.TryParseSize, "20GiB", () => 20L << 30);
        Option<string?> snapshot = new("--snapshot") { Description = "Mount this snapshot file at once instead of listing the sources.", HelpName = "FILE" };
        Option<TimeSpan> refresh = SharedOptions.Parsed<TimeSpan>("--refresh", "TIME", "List again this often and follow changes as a whole (default: stay on one snapshot).", Values.TryParseDuration, "5m");
        Option<TimeSpan> deadline = SharedOptions.Parsed<TimeSpan>("--read-deadline", "TIME", "A read that cannot be answered within this time fails with EIO (default: 60s).", Values.TryParseDuration, "60s", () => TimeSpan.FromSeconds(60));
        Option<string[]> worker = new("--worker") { Description = "Mount DATASET from the cluster's workers instead of SOURCE: the unix socket of this node's worker, or https://host:port (repeatable, asked in this order).", HelpName = "ADDRESS" };
        Option<string?> workerCa = new("--worker-ca") { Description = "With --worker https://...: certificates of the workers' authority (PEM).", HelpName = "FILE" };
        Option<string?> tokenFile = new("--token-file") { Description = "With --worker: a token from 'dl-worker token DATASET', read again when it changes (default: asked of the worker's socket).", HelpName = "FILE" };
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
        SharedOptions shared = new();

        Command command = new("mount", """
            Mount sources as one read-only directory tree.

            The tree is a snapshot: it shows the sources as they were listed, and never mixes two versions of a file.
            Runs in the foreground until interrupted, prints one line when ready.
            """)
        {
            places, cacheDir, cacheSize, snapshot, refresh, worker, workerCa, tokenFile, deadline, allowOther, uid, gid, fileMode, dirMode, openMode, xattr, metrics, daemon, logFile, without, minor, transport, enableUring, noUring,
        };
        shared.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(places) is { Length: < 2 }) result.AddError("mount takes at least one SOURCE and a MOUNTPOINT.");
            if (result.GetValue(worker) is { Length: > 0 } && result.GetValue(places) is { Length: > 2 }) result.AddError("mount --worker takes one DATASET and a MOUNTPOINT.");
        });
        SharedOptions.RefuseUnknownOptions(command, places);
        command.SetAction(async (parsed, cancellation) =>
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
                Sources = parsed.GetValue(worker) is { Length: > 0 } ? [] : all[..^1].Select(SourceArgument.Parse).ToArray(),
                Cluster = parsed.GetValue(worker) is not { Length: > 0 } workers ? null : new ClusterOptions
                {
                    Dataset = all[0],
                    Workers = workers.Select(WorkerAddress).ToArray(),
                    AuthorityFile = parsed.GetValue(workerCa),
                    TokenFile = parsed.GetValue(tokenFile),
                },
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
            if (parsed.GetValue(daemon)) return Daemon.Start(parsed.GetValue(logFile));
            await RunAsync(options, cancellation);
            return 0;
        });
        return command;
    }

    static string WorkerAddress(string text)
    {
        if (text.StartsWith("https://", StringComparison.Ordinal) && Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.AbsolutePath == "/") return text;
        if (text.Contains("://", StringComparison.Ordinal)) throw new UserException($"--worker {text}: write it like https://10.0.0.1:7400, or the path of a unix socket.");
        return Path.GetFullPath(text);
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

    static string DefaultCacheDirectory()
    {
        if (CurrentUser.IsRoot) return "/var/cache/datalayer";
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (string.IsNullOrEmpty(cache)) cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "datalayer");
    }
}
