using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using DataLayer.Cache;

namespace DataLayer.CacheWorker.CommandLine;

/// <summary>`dl-worker serve`.</summary>
static class ServeCommand
{
    public static Command Create()
    {
        Option<string> node = new("--node") { Description = "This node's name, unique in the cluster (default: the host name).", HelpName = "NAME", DefaultValueFactory = _ => Dns.GetHostName() };
        Option<string> zone = new("--zone") { Description = "The zone it is in: copies of a block go to different ones.", HelpName = "Z", DefaultValueFactory = _ => "" };
        Option<string> datasets = new("--datasets") { Description = "Registration file of the datasets to serve (JSON); read again when it changes.", HelpName = "FILE", Required = true };
        Option<string> cacheDir = new("--cache-dir") { Description = "Directory of the cache.", HelpName = "D", Required = true };
        Option<string> cacheSize = new("--cache-size") { Description = "Hard limit of the cache.", HelpName = "SIZE", DefaultValueFactory = _ => "100GiB" };
        Option<string?> listen = new("--listen") { Description = "Where peers and remote mounts connect, like https://0.0.0.0:7400.", HelpName = "URL" };
        Option<string?> advertise = new("--advertise") { Description = "The address of it as the others reach it, like https://10.0.0.1:7400.", HelpName = "URL" };
        Option<string?> socket = new("--socket") { Description = "Unix socket for the mounts of this node.", HelpName = "PATH" };
        Option<uint[]> allow = new("--allow-uid") { Description = "Lets another user's mounts connect to the socket, with a token (repeatable).", HelpName = "UID" };
        Option<string?> peers = new("--peers") { Description = "File that names all workers (JSON); read again when it changes.", HelpName = "FILE" };
        Option<string?> authority = new("--tls-ca") { Description = "Certificates of the authority that signs all workers' certificates (PEM).", HelpName = "FILE" };
        Option<string?> certificate = new("--tls-cert") { Description = "This worker's certificate (PEM, an elliptic curve key).", HelpName = "FILE" };
        Option<string?> key = new("--tls-key") { Description = "Its key (PEM).", HelpName = "FILE" };
        Option<int> copies = new("--copies") { Description = "Homes per block.", HelpName = "N", DefaultValueFactory = _ => 1 };
        Option<string> localCopy = new("--local-copy") { Description = "Whether to keep what another home holds: always, second-read or never.", HelpName = "WHEN", DefaultValueFactory = _ => "second-read" };
        localCopy.AcceptOnlyFromAmong("always", "second-read", "never");

        Command command = new("serve", """
            Serve datasets from this node's cache to the node's mounts and to the other workers.

            Runs in the foreground until SIGTERM, prints one line when ready. Credentials of sources come from the usual places
            (environment, ~/.aws, web identity) and stay in this process.
            """) { node, zone, datasets, cacheDir, cacheSize, listen, advertise, socket, allow, peers, authority, certificate, key, copies, localCopy };
        command.SetAction(async (parsed, cancellation) =>
        {
            WorkerOptions options = new()
            {
                Node = parsed.GetValue(node)!,
                Zone = parsed.GetValue(zone)!,
                Datasets = Path.GetFullPath(parsed.GetValue(datasets)!),
                CacheDirectory = Path.GetFullPath(parsed.GetValue(cacheDir)!),
                CacheSize = FuseFs.CommandLine.Values.TryParseSize(parsed.GetValue(cacheSize)!, out long size) ? size : throw new UserException($"--cache-size '{parsed.GetValue(cacheSize)}' is not understood; write it like 500GiB."),
                Listen = parsed.GetValue(listen) is { } url ? ParseListen(url) : null,
                Advertise = parsed.GetValue(advertise),
                Socket = parsed.GetValue(socket) is { } path ? Path.GetFullPath(path) : null,
                AllowedUsers = parsed.GetValue(allow) ?? [],
                PeersFile = parsed.GetValue(peers) is { } file ? Path.GetFullPath(file) : null,
                TlsAuthority = parsed.GetValue(authority),
                TlsCertificate = parsed.GetValue(certificate),
                TlsKey = parsed.GetValue(key),
                Copies = parsed.GetValue(copies),
                LocalCopy = parsed.GetValue(localCopy) switch { "always" => CopyPolicy.Always, "never" => CopyPolicy.Never, _ => CopyPolicy.SecondRead },
            };
            options.Validate();
            await RunAsync(options, cancellation);
            return 0;
        });
        return command;
    }

    static IPEndPoint ParseListen(string url)
    {
        string text = url.StartsWith("https://", StringComparison.Ordinal) ? url["https://".Length..].TrimEnd('/') : url;
        return IPEndPoint.TryParse(text, out IPEndPoint? endpoint) && endpoint.Port != 0
            ? endpoint
            : throw new UserException($"--listen {url}: give an address and a port, like https://0.0.0.0:7400.");
    }

    static async Task RunAsync(WorkerOptions options, CancellationToken cancellation)
    {
        TaskCompletionSource stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using WorkerSession session = await WorkerSession.StartAsync(options, cancellation);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"worker {options.Node} serves at {string.Join(" and ", new[] { options.Advertise, options.Socket }.Where(at => at != null))}"));
        await Console.Out.FlushAsync(CancellationToken.None);
        await stop.Task;
        Log.Info("draining");
        await session.DrainAsync();

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }
}
