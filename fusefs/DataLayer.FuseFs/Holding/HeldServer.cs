using System.Diagnostics;
using System.Runtime.InteropServices;
using DataLayer.Fuse;
using DataLayer.FuseFs.CommandLine;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.FuseFs.Holding;

/// <summary>
/// `dl-fuse serve`: a process that serves a mount which a holder keeps, or stands by to. It ends with the connection, when told
/// to leave, or when its holder goes before it serves. A serving one whose holder is gone starts another and gives it everything.
/// </summary>
sealed class HeldServer : IAsyncDisposable
{
    // A request in hand is answered from the local disk; what waits for a source is left to the successor.
    static readonly TimeSpan PausePatience = TimeSpan.FromSeconds(2);

    // For a new holder to start, on a machine so busy that the old one died.
    static readonly TimeSpan AdoptionPatience = TimeSpan.FromSeconds(30);
    static readonly TimeSpan AdoptionRetry = TimeSpan.FromSeconds(1);

    // For writing out what was fetched, once the mount is gone.
    static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(20);

    readonly int key;
    readonly Lock sending = new();
    readonly List<PosixSignalRegistration> signals = [];
    DescriptorSocket socket;
    HoldMessage welcome = null!;
    MountSession session = null!;
    FuseHandover? handover;
    SharedRegion? opens;
    TaskCompletionSource? stored;
    ProcessHandle? successor;
    volatile bool isServing;
    bool isPaused;
    int disposed;

    HeldServer(string path, int key)
    {
        this.key = key;
        socket = DescriptorSocket.TryConnect(path) ?? throw new UserException($"{path}: no holder listens there; this command is for holders only, use 'dl-fuse mount --hold'.");
        // A terminal and a service manager signal all processes of a mount: what is to happen is the holder's decision.
        foreach (PosixSignal signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP })
            signals.Add(PosixSignalRegistration.Create(signal, static context => context.Cancel = true));
    }

    /// <returns>Exit code.</returns>
    public static async Task<int> RunAsync(string path, int key)
    {
        await using HeldServer server = new(path, key);
        if (!await server.PrepareAsync()) return 1;
        return await server.ServeAsync();
    }

    /// <summary>Opens everything but the connection.</summary>
    async Task<bool> PrepareAsync()
    {
        if (!Send(new HoldMessage { Kind = HoldMessageKind.Hello, Key = key }) || socket.Receive() is not { } received) return false;
        welcome = received.Message;
        OomScore.TrySet(welcome.OomScore);
        Heritage? heritage = welcome.Snapshots is { } marks ? new Heritage(Snapshots(marks, received.Attached), welcome.OpenMode, welcome.Dataset!) : null;
        session = await MountSession.PrepareAsync(MountCommand.Parse(welcome.Arguments!), heritage, CancellationToken.None);
        if (!Send(Showing(new HoldMessage { Kind = HoldMessageKind.Ready, Description = session.Description }, session.Snapshots, out SafeFileHandle[] files), files)) return false;
        // Ready first, because it may be needed at once.
        if (heritage is not null) _ = Task.Run(() => CodeWarmer.Run(() => isServing));
        return true;
    }

    static IReadOnlyList<HeldSnapshot> Snapshots(IReadOnlyList<SnapshotMark> marks, IReadOnlyList<SafeFileHandle> files) =>
        [.. marks.Zip(files, static (mark, file) => new HeldSnapshot(file, mark.Generation, mark.TakenUtc))];

    HoldMessage Showing(HoldMessage message, IReadOnlyList<MountedSnapshot> shown, out SafeFileHandle[] files)
    {
        files = [.. shown.Select(snapshot => snapshot.File!)];
        return message with
        {
            OpenMode = session.OpenMode,
            Dataset = session.Dataset,
            Snapshots = [.. shown.Select(snapshot => new SnapshotMark(snapshot.Generation, snapshot.TakenUtc))],
        };
    }

    async Task<int> ServeAsync()
    {
        while (true)
        {
            if (await Task.Run(socket.Receive) is not { } received)
            {
                // A standby is nothing without its holder: the next holder starts its own.
                if (!isServing || !await FindHolderAsync()) return isServing ? 0 : 1;
                continue;
            }

            switch (received.Message.Kind)
            {
                case HoldMessageKind.Serve:
                    Attach(received.Message, received.Attached);
                    break;
                case HoldMessageKind.Stored:
                    stored?.TrySetResult();
                    break;
                case HoldMessageKind.Pause:
                    successor = ProcessHandle.TryOpen(received.Message.Successor);
                    isPaused = true;
                    if (!session.TryPause(PausePatience)) return Fail("a request in hand did not end, so this process does");
                    Send(new HoldMessage { Kind = HoldMessageKind.Paused });
                    break;
                case HoldMessageKind.Resume:
                    Resume();
                    Send(new HoldMessage { Kind = HoldMessageKind.Serving, Description = session.Description });
                    break;
                case HoldMessageKind.Leave when isPaused:
                    session.Leave();
                    return 0;
                default:
                    return Fail($"the holder said {received.Message.Kind}, which has no meaning now");
            }
        }
    }

    static int Fail(string why)
    {
        Log.Warn(why);
        return 1;
    }

    void Attach(HoldMessage message, SafeFileHandle[] attached)
    {
        handover = new FuseHandover(attached[..message.Devices], message.Negotiation, message.MountPoint!, message.ConnectionId)
        {
            Journal = message.HasJournal ? attached[message.Devices + 1] : null,
        };
        opens = SharedRegion.Map(attached[message.Devices], OpenTable.Size);
        isServing = true;
        session.Attach(handover, MapOpens(), ChangeAsync);
        Send(new HoldMessage { Kind = HoldMessageKind.Serving, Description = session.Description });
        _ = EndAsync();
        Daemon.Detach();
    }

    SharedRegion MapOpens() => SharedRegion.Map(new SafeFileHandle(opens!.Descriptor.DangerousGetHandle(), ownsHandle: false), OpenTable.Size);

    void Resume()
    {
        isPaused = false;
        successor?.Dispose();
        successor = null;
        session.Resume(MapOpens());
    }

    /// <summary>The connection is gone: so is the reason for this process.</summary>
    async Task EndAsync()
    {
        await session.Ended;
        await Task.WhenAny(DisposeAsync().AsTask(), Task.Delay(EndPatience));
        Environment.Exit(0);
    }

    async Task ChangeAsync(MountedSnapshot next)
    {
        TaskCompletionSource done = stored = new(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldMessage message = Showing(new HoldMessage { Kind = HoldMessageKind.Snapshots }, [next, .. session.Snapshots], out SafeFileHandle[] files);
        // Without a holder there is no successor to tell, and a new holder is told everything.
        if (Send(message, files)) await Task.WhenAny(done.Task, Task.Delay(AdoptionPatience));
    }

    bool Send(HoldMessage message, params IReadOnlyList<SafeHandle> attached)
    {
        lock (sending) return socket.Send(message, attached);
    }

    /// <returns>False when the connection has ended meanwhile.</returns>
    async Task<bool> FindHolderAsync()
    {
        if (isPaused)
        {
            // Whoever was to serve may do so already, and two would write one journal.
            successor?.Kill();
            while (successor is { HasEnded: false }) await Task.Delay(1);
            Resume();
        }

        Log.Warn("the holder of this mount is gone; starting another");
        stored?.TrySetResult();
        while (!handover!.Devices[0].IsClosed && !handover.IsEnded)
        {
            try
            {
                if (await TryFindHolderAsync()) return true;
            }
            catch (Exception fault) when (fault is IOException or FuseException or System.ComponentModel.Win32Exception)
            {
                Log.Warn($"cannot start a holder: {fault.Message}");
            }

            await Task.Delay(AdoptionRetry);
        }

        await session.Ended;
        return false;
    }

    async Task<bool> TryFindHolderAsync()
    {
        string path = HoldSocket.NewPath();
        using Process holder = DlFuseProgram.Start(DlFuseProgram.Current, "hold", path);
        long deadline = Environment.TickCount64 + (long)AdoptionPatience.TotalMilliseconds;
        while (!holder.HasExited && Environment.TickCount64 < deadline)
        {
            if (DescriptorSocket.TryConnect(path) is { } found)
            {
                lock (sending)
                {
                    socket.Dispose();
                    socket = found;
                }

                HoldMessage message = Showing(new HoldMessage { Kind = HoldMessageKind.Adopt }, session.Snapshots, out SafeFileHandle[] files) with
                {
                    Key = key,
                    Arguments = welcome.Arguments,
                    Program = DlFuseProgram.Current,
                    OomScore = welcome.OomScore,
                    MountPoint = handover!.MountPoint,
                    ConnectionId = handover.ConnectionId,
                    Negotiation = handover.Negotiation,
                    Devices = handover.Devices.Count,
                    HasJournal = handover.Journal is not null,
                    Description = session.Description,
                };
                return Send(message, [.. handover.Devices, opens!.Descriptor, .. handover.Journal is { } journal ? [journal] : Array.Empty<SafeHandle>(), .. files]);
            }

            await Task.Delay(10);
        }

        if (!holder.HasExited) holder.Kill();
        return false;
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0) return;
        if (session is not null) await session.DisposeAsync();
        socket.Dispose();
        opens?.Dispose();
        foreach (PosixSignalRegistration signal in signals) signal.Dispose();
    }
}
