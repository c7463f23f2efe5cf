using System.CommandLine;
using System.Runtime;
using System.Runtime.InteropServices;
using System.Text.Json;
using DataLayer.Fuse;
using DataLayer.FuseFs.Control;
using DataLayer.FuseFs.Holding;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse upgrade` and `held`, and what holders and serving processes start each other with.</summary>
static class HoldCommands
{
    // The serving process connects at once; one that died meanwhile leaves a holder without a mount.
    static readonly TimeSpan AdoptionPatience = TimeSpan.FromSeconds(30);

    public static Command Upgrade()
    {
        Argument<string> mountPoint = new("MOUNTPOINT") { Description = "A dataset mounted with --hold." };
        Option<string?> binary = new("--binary") { Description = "The dl-fuse to serve with from now on (default: the one that was started before, as it is on disk now).", HelpName = "PATH" };
        Command command = new("upgrade", "Replace the process that serves a mount, without a failed call. If the new one does not become ready, the old one serves on.") { mountPoint, binary };
        command.SetAction(async (parsed, cancellation) =>
        {
            string path = parsed.GetValue(mountPoint)!;
            HoldMessage request = new() { Kind = HoldMessageKind.Upgrade, Program = parsed.GetValue(binary) is { } chosen ? DlFuseProgram.At(chosen) : null };
            HoldMessage answer = await AskAsync(path, request, cancellation);
            if (answer.Error is { } error) throw new UserException($"{path}: not upgraded: {error}.");
            Console.WriteLine($"upgraded {path}: process {answer.Successor} serves it");
            return 0;
        });
        return command;
    }

    public static Command Held()
    {
        Argument<string> mountPoint = new("MOUNTPOINT") { Description = "A dataset mounted with --hold." };
        Option<bool> json = SharedOptions.Json();
        Command command = new("held", "Show which processes hold and serve a mount.") { mountPoint, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            HoldStatus status = (await AskAsync(parsed.GetValue(mountPoint)!, new HoldMessage { Kind = HoldMessageKind.Status }, cancellation)).Status!;
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(status, ControlJson.Indented.HoldStatus));
                return 0;
            }

            Console.WriteLine($"holder       process {status.Holder}");
            Console.WriteLine($"serving      {(status.Serving == 0 ? "nobody at present" : $"process {status.Serving}")}{(status.IsRefusing ? "; callers get EIO" : "")}");
            Console.WriteLine($"standby      {(status.Standby == 0 ? "none ready" : $"process {status.Standby}")}");
            Console.WriteLine($"since then   {status.Deaths} deaths, {status.Upgrades} upgrades, the last takeover took {status.LastTakeoverMs:0} ms");
            return 0;
        });
        return command;
    }

    public static Command Serve()
    {
        Argument<string> socket = new("SOCKET");
        Argument<int> key = new("KEY");
        Command command = new("serve", "Started by holders: serves a mount, or stands by to.") { socket, key };
        command.Hidden = true;
        command.SetAction((parsed, _) => HeldServer.RunAsync(parsed.GetValue(socket)!, parsed.GetValue(key)));
        return command;
    }

    public static Command Hold()
    {
        Argument<string> socket = new("SOCKET");
        Command command = new("hold", "Started by a serving process whose holder is gone: takes the mount's descriptors.") { socket };
        command.Hidden = true;
        command.SetAction(parsed => Adopt(parsed.GetValue(socket)!));
        return command;
    }

    /// <summary>`mount --hold`: this process becomes the holder.</summary>
    public static int Run(MountOptions options, IReadOnlyList<string> arguments)
    {
        ControlSocket.EnsureDirectory();
        HoldPlan plan = new()
        {
            Options = options,
            Arguments = arguments,
            Program = DlFuseProgram.Current,
            OomScore = OomScore.Lower(),
            Announced = () =>
            {
                Daemon.Detach();
                Shrink();
            },
        };
        string path = HoldSocket.NewPath();
        using Holder holder = new(plan, path);
        return RunToEnd(holder);
    }

    static int Adopt(string path)
    {
        ControlSocket.EnsureDirectory();
        OomScore.Lower();
        DescriptorSocket listener = DescriptorSocket.Listen(path);
        if (!DescriptorPoll.Wait([listener.Handle], AdoptionPatience)[0]) throw new UserException("nobody came to hand its mount over.");
        DescriptorSocket server = listener.Accept();
        if (server.Receive() is not { Message.Kind: HoldMessageKind.Adopt } received) throw new UserException("who came did not hand over a mount.");
        HoldMessage adopt = received.Message;
        HoldPlan plan = new() { Options = MountCommand.Parse(adopt.Arguments!), Arguments = adopt.Arguments!, Program = adopt.Program!, OomScore = adopt.OomScore };
        using Holder holder = new(plan, listener, path, adopt, received.Attached, server);
        Shrink();
        return RunToEnd(holder);
    }

    static int RunToEnd(Holder holder)
    {
        List<PosixSignalRegistration> signals = [];
        foreach (PosixSignal signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP })
        {
            signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                // The holder has one thread, and it waits for messages.
                using DescriptorSocket? self = DescriptorSocket.TryConnect(holder.SocketPath);
                self?.Send(new HoldMessage { Kind = HoldMessageKind.Stop });
            }));
        }

        try
        {
            return holder.Run();
        }
        finally
        {
            foreach (PosixSignalRegistration signal in signals) signal.Dispose();
        }
    }

    /// <summary>What starting took is not needed for waiting.</summary>
    static void Shrink()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    static async Task<HoldMessage> AskAsync(string mountPoint, HoldMessage request, CancellationToken cancellation)
    {
        FuseMountInfo mount = FuseMountPoint.Find(mountPoint)
            ?? throw new UserException($"{mountPoint} is not a dl-fuse mount; 'findmnt -t fuse.datalayer' lists them.");
        using DescriptorSocket holder = DescriptorSocket.TryConnect(HoldSocket.PathFor(mount.ConnectionId))
            ?? throw new UserException($"{mountPoint} has no holder: it was not mounted with --hold.");
        holder.Send(request);
        return await Task.Run(holder.Receive, CancellationToken.None).WaitAsync(cancellation) is { } received
            ? received.Message
            : throw new UserException($"{mountPoint}: the holder ended before it answered.");
    }
}
