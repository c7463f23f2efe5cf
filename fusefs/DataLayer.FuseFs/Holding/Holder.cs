using DataLayer.Fuse;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.FuseFs.Holding;

/// <summary>
/// Keeps a mount alive: makes it, keeps its descriptors, and sees to it that a process serves it. One thread, driven by messages,
/// ends of processes and deadlines. It touches neither data nor the mount itself, so there is little it could die of.
/// </summary>
/// <remarks>
/// Who serves is replaced in two ways. It died: once all of its threads are gone, the standby gets the connection. It is to be
/// upgraded: a successor of the new program is started and made ready, then the old one pauses at a request boundary, and ends
/// once the successor serves; otherwise it serves on. Several deaths in a row, or nobody to serve for long: callers get EIO
/// until somebody serves again.
/// </remarks>
sealed class Holder : IDisposable
{
    /// <summary>For a process to open snapshots and caches that are there already, on a machine that may be busy. A first one lists sources, and may take any time.</summary>
    static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);

    /// <summary>For the few system calls between being told to serve and serving.</summary>
    static readonly TimeSpan TakePatience = TimeSpan.FromSeconds(20);

    /// <summary>For the requests in hand when pausing; one second more than the process gives itself.</summary>
    static readonly TimeSpan PausePatience = TimeSpan.FromSeconds(3);

    /// <summary>For writing out what was fetched. Nothing is lost but time if it is cut short.</summary>
    static readonly TimeSpan LeavePatience = TimeSpan.FromSeconds(20);

    /// <summary>Between an unmount and cutting off who still uses it: as <see cref="MountSession"/> does.</summary>
    static readonly TimeSpan UnmountGrace = TimeSpan.FromSeconds(20);

    /// <summary>Between closing its socket and being gone.</summary>
    static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(5);

    /// <summary>A process that lived this long answered requests: its death does not count as one of a crash loop.</summary>
    const int StableMs = 1000;

    /// <summary>This many deaths in a row, and what waits is refused: a request may be what kills.</summary>
    const int DeathsToRefuse = 4;

    // From the second death in a row on; four times as long each time.
    const int FirstBackOffMs = 100, LongestBackOffMs = 30_000;

    // A standby starts while callers work hard on what a takeover has left cold: not in the first moment.
    const int StandbyDelayMs = 250;

    // While something has a deadline. Nothing does while a mount is served and its standby is ready.
    static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);

    readonly HoldPlan plan;
    readonly DescriptorSocket listener;
    readonly List<DescriptorSocket> strangers = [];
    readonly List<HeldProcess> leaving = [];
    IReadOnlyList<string> program;
    string path;
    HeldMount? mount;
    HeldProcess? active, standby;
    Upgrade? upgrade;
    Refusal? refusal;
    int keys, deathsInRow, deaths, upgrades, stopRequests;
    long unservedSince = Environment.TickCount64, notBefore, standbyNotBefore, stopSince;
    double lastTakeover;
    bool isAnnounced, isUnmounted, isCutOff;
    int? exitCode;

    /// <param name="path">Where to listen until the mount has a number.</param>
    public Holder(HoldPlan plan, string path)
    {
        this.plan = plan;
        this.path = path;
        program = plan.Program;
        listener = DescriptorSocket.Listen(path);
    }

    /// <summary>A new holder for a mount that is being served.</summary>
    /// <param name="listener">Where the serving process found us.</param>
    /// <param name="server">The serving process.</param>
    public Holder(HoldPlan plan, DescriptorSocket listener, string path, HoldMessage adopt, SafeFileHandle[] attached, DescriptorSocket server)
    {
        this.plan = plan;
        this.path = path;
        this.listener = listener;
        program = plan.Program;
        mount = HeldMount.From(adopt, attached);
        active = HeldProcess.Adopt(adopt.Key, server);
        keys = adopt.Key;
        isAnnounced = true;
        Rename();
    }

    /// <summary>Where messages are taken.</summary>
    public string SocketPath => path;

    /// <summary>Until the mount is gone.</summary>
    /// <returns>Exit code.</returns>
    public int Run()
    {
        while (exitCode is null)
        {
            Receive();
            foreach (HeldProcess process in Processes.ToArray())
                if (process.HasEnded) Ended(process);
            if (exitCode is null) Decide();
        }

        return exitCode.Value;
    }

    IEnumerable<HeldProcess> Processes => new[] { active, standby, upgrade?.Successor, upgrade?.Old }.OfType<HeldProcess>().Concat(leaving).Distinct();

    /// <summary>Waits for something to happen and takes in all messages.</summary>
    void Receive()
    {
        List<HeldProcess> processes = [.. Processes];
        List<DescriptorSocket> sockets = [listener, .. strangers, .. processes.Select(static process => process.Socket).OfType<DescriptorSocket>()];
        bool isQuiet = stopRequests == 0 && upgrade is null && leaving.Count == 0 && active is { State: HeldProcessState.Serving, Deadline: long.MaxValue } && (standby is { State: HeldProcessState.Ready, Deadline: long.MaxValue } || !plan.Standby);
        bool[] ready = DescriptorPoll.Wait(
            [.. sockets.Select(static socket => socket.Handle), .. processes.Select(static process => process.Handle?.Handle).OfType<SafeFileHandle>()],
            isQuiet ? Timeout.InfiniteTimeSpan : Tick);
        for (int i = 0; i < sockets.Count; i++)
        {
            if (!ready[i]) continue;
            if (i == 0) strangers.Add(listener.Accept());
            else if (sockets[i].Receive() is { } received) Take(sockets[i], received.Message, received.Attached);
            else if (strangers.Remove(sockets[i])) sockets[i].Dispose();
            else if (processes.FirstOrDefault(process => process.Socket == sockets[i]) is { } silent) silent.Disconnect(EndPatience);
        }
    }

    void Take(DescriptorSocket socket, HoldMessage message, SafeFileHandle[] attached)
    {
        HeldProcess? sender = Processes.FirstOrDefault(process => process.Socket == socket);
        switch (message.Kind)
        {
            case HoldMessageKind.Hello when strangers.Remove(socket):
                Welcome(socket, message.Key);
                break;
            case HoldMessageKind.Ready when sender is { State: HeldProcessState.Starting }:
                sender.Enter(HeldProcessState.Ready, Timeout.InfiniteTimeSpan);
                if (mount is null) Mount(sender, message, attached);
                else foreach (SafeFileHandle same in attached) same.Dispose();
                break;
            case HoldMessageKind.Serving when sender is not null:
                Serving(sender, message.Description);
                break;
            case HoldMessageKind.Snapshots when sender is not null && sender == active:
                mount!.Keep(message, attached);
                sender.Socket!.Send(new HoldMessage { Kind = HoldMessageKind.Stored });
                // These opened what was shown before.
                if (standby is not null) Discard(standby);
                upgrade?.Successor.Kill();
                break;
            case HoldMessageKind.Paused when sender is { State: HeldProcessState.Pausing }:
                sender.Enter(HeldProcessState.Paused, Timeout.InfiniteTimeSpan);
                break;
            case HoldMessageKind.Upgrade when strangers.Remove(socket):
                BeginUpgrade(socket, message.Program ?? program);
                break;
            case HoldMessageKind.Status:
                socket.Send(new HoldMessage { Kind = HoldMessageKind.Done, Status = Status });
                break;
            case HoldMessageKind.Stop:
                RequestStop();
                break;
            default:
                Log.Warn($"{message.Kind} has no meaning to the holder now; is dl-fuse of another version?");
                break;
        }
    }

    HoldStatus Status => new()
    {
        Holder = Environment.ProcessId,
        Serving = active is { State: HeldProcessState.Serving } ? active.Id : 0,
        Standby = standby is { State: HeldProcessState.Ready } ? standby.Id : 0,
        Deaths = deaths,
        Upgrades = upgrades,
        LastTakeoverMs = lastTakeover,
        IsRefusing = refusal is not null,
    };

    void Welcome(DescriptorSocket socket, int key)
    {
        if (Processes.FirstOrDefault(process => process.Key == key && process.Socket is null) is not { } process)
        {
            socket.Dispose(); // Not one of ours, or one that was given up meanwhile.
            return;
        }

        process.Connect(socket);
        HoldMessage welcome = new() { Kind = HoldMessageKind.Welcome, Arguments = plan.Arguments, OomScore = plan.OomScore };
        _ = mount is null ? socket.Send(welcome) : mount.Welcome(socket, welcome);
    }

    void Mount(HeldProcess first, HoldMessage ready, SafeFileHandle[] manifests)
    {
        mount = HeldMount.Make(plan.Options);
        mount.Keep(ready, manifests);
        Rename();
        Activate(first);
    }

    /// <summary>From now on the holder is found by the number of the connection.</summary>
    void Rename()
    {
        string final = HoldSocket.PathFor(mount!.Handover.ConnectionId);
        File.Move(path, final, overwrite: true);
        path = final;
    }

    void Activate(HeldProcess process)
    {
        refusal?.Dispose();
        refusal = null;
        if (process == standby) standby = null;
        active = process;
        mount!.Serve(process, TakePatience);
    }

    void Serving(HeldProcess process, string? description)
    {
        process.Enter(HeldProcessState.Serving, Timeout.InfiniteTimeSpan);
        standbyNotBefore = process.Since + StandbyDelayMs;
        if (isAnnounced) lastTakeover = process.Since - unservedSince;
        if (upgrade?.Successor == process) EndUpgrade(null);
        if (isAnnounced) return;
        isAnnounced = true;
        Console.WriteLine($"mounted {description} at {plan.Options.MountPoint}");
        Console.Out.Flush();
        plan.Announced();
    }

    void Ended(HeldProcess process)
    {
        process.Dispose();
        if (leaving.Remove(process)) return;
        if (upgrade is not null && process == upgrade.Old) upgrade.Old = null;
        if (process == active)
        {
            active = null;
            bool wasStable = process.State >= HeldProcessState.Serving && Environment.TickCount64 - process.Since >= StableMs;
            unservedSince = Environment.TickCount64;
            if (mount!.Handover.IsEnded || stopRequests > 0) return;
            if (upgrade is null || upgrade.Successor != process) Log.Warn($"process {process.Id}, which served {plan.Options.MountPoint}, is gone; another takes over");
            Died(wasStable);
        }
        else if (process == standby)
        {
            standby = null;
            // The first one has said why.
            if (mount is null) exitCode = 1;
            else if (process.State == HeldProcessState.Starting) Died(wasStable: false);
        }

        if (process == upgrade?.Successor) RollBack("the new process ended before it served");
    }

    void Died(bool wasStable)
    {
        deaths++;
        deathsInRow = wasStable ? 1 : deathsInRow + 1;
        long backOff = deathsInRow < 2 ? 0 : Math.Min(LongestBackOffMs, FirstBackOffMs << Math.Min(20, 2 * (deathsInRow - 2)));
        notBefore = standbyNotBefore = Environment.TickCount64 + backOff;
    }

    /// <summary>What has to be done by now.</summary>
    void Decide()
    {
        long now = Environment.TickCount64;
        foreach (HeldProcess late in Processes.Where(process => process.Deadline < now).ToArray())
        {
            Log.Warn($"process {late.Id} was {late.State} for {now - late.Since} ms; it is ended");
            late.Enter(late.State, StartPatience); // Gone long before, or in the kernel's hands.
            late.Kill();
        }

        if (mount is not null && active is null && mount.Handover.IsEnded) Finish(0);
        else if (stopRequests > 0) Stop(now);
        else if (upgrade is { HasBegun: true }) ContinueUpgrade();
        else if (active is null) FindServer(now);
        else if (standby is null && plan.Standby && active.State == HeldProcessState.Serving && now >= standbyNotBefore) Start();
        if (upgrade is { HasBegun: false, Successor.State: HeldProcessState.Ready } && active is { State: HeldProcessState.Serving }) ContinueUpgrade();
    }

    void FindServer(long now)
    {
        if (standby is null && now >= notBefore) Start();
        if (standby is { State: HeldProcessState.Ready } && now >= notBefore && (refusal is null || now - refusal.Since >= StableMs)) Activate(standby);
        bool isTooLong = now - unservedSince > plan.Options.Hold!.Patience.TotalMilliseconds;
        if (active is not null || refusal is not null || mount is null || (!isTooLong && deathsInRow < DeathsToRefuse)) return;
        Log.Warn($"nobody can serve {plan.Options.MountPoint} ({deathsInRow} deaths in a row): its callers get EIO until somebody can");
        refusal = new Refusal(mount.Handover);
    }

    void Start()
    {
        try
        {
            standby = HeldProcess.Start(program, path, ++keys, mount is null ? Timeout.InfiniteTimeSpan : StartPatience);
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            if (mount is null) throw new UserException($"{program[0]}: {fault.Message}", fault);
            Log.Warn($"{program[0]}: {fault.Message}");
            Died(wasStable: false);
        }
    }

    void BeginUpgrade(DescriptorSocket client, IReadOnlyList<string> next)
    {
        string? refused = upgrade is not null ? "another upgrade is in progress" : active is not { State: HeldProcessState.Serving } ? "nobody serves the mount at present" : stopRequests > 0 ? "the mount is ending" : null;
        if (refused is null)
        {
            try
            {
                upgrade = new Upgrade(client, next, HeldProcess.Start(next, path, ++keys, StartPatience));
                return;
            }
            catch (System.ComponentModel.Win32Exception fault)
            {
                refused = $"{next[0]}: {fault.Message}";
            }
        }

        client.Send(new HoldMessage { Kind = HoldMessageKind.Done, Error = refused });
        client.Dispose();
    }

    /// <summary>The successor is ready: pause who serves, then let the successor serve.</summary>
    void ContinueUpgrade()
    {
        if (!upgrade!.HasBegun)
        {
            upgrade.HasBegun = true;
            upgrade.Old = active;
            unservedSince = Environment.TickCount64;
            active!.Tell(new HoldMessage { Kind = HoldMessageKind.Pause, Successor = upgrade.Successor.Id }, HeldProcessState.Pausing, PausePatience);
        }
        else if (active is null || active is { State: HeldProcessState.Paused } && active == upgrade.Old)
        {
            Activate(upgrade.Successor);
        }
    }

    void RollBack(string why)
    {
        HeldProcess? old = upgrade!.Old;
        upgrade.Report($"{why}: the mount is served as before");
        upgrade = null;
        if (old is null) return; // It had not paused yet, or its death is taken up as every other.
        active = old;
        old.Tell(new HoldMessage { Kind = HoldMessageKind.Resume }, HeldProcessState.Taking, TakePatience);
    }

    void EndUpgrade(string? error)
    {
        upgrades++;
        deathsInRow = 0;
        program = upgrade!.Program;
        if (upgrade.Old is { } old)
        {
            old.Tell(new HoldMessage { Kind = HoldMessageKind.Leave }, HeldProcessState.Leaving, LeavePatience);
            leaving.Add(old);
        }

        if (standby is not null) Discard(standby); // One of the old program.
        upgrade.Report(error);
        upgrade = null;
    }

    void Discard(HeldProcess outdated)
    {
        outdated.Kill();
        leaving.Add(outdated);
        standby = null;
        standbyNotBefore = Environment.TickCount64 + StandbyDelayMs;
    }

    void RequestStop()
    {
        if (stopRequests++ == 0) stopSince = Environment.TickCount64;
        if (mount is null) Finish(130);
        else if (stopRequests > 1) mount.Handover.Abort();
    }

    void Stop(long now)
    {
        if (isCutOff) return;
        if (!isUnmounted)
        {
            isUnmounted = true;
            Unmount();
        }

        if (active is not null && now - stopSince <= UnmountGrace.TotalMilliseconds) return;
        if (active is not null) Log.Warn($"{plan.Options.MountPoint} was still in use {UnmountGrace.TotalSeconds:0} s after the unmount: cutting its users off");
        isCutOff = true;
        mount!.Handover.Abort();
    }

    void Unmount()
    {
        try
        {
            mount!.Handover.Unmount();
        }
        catch (FuseException fault)
        {
            Log.Warn(fault.Message);
            mount!.Handover.Abort();
        }
    }

    void Finish(int code)
    {
        exitCode = code;
        foreach (HeldProcess process in Processes) process.Kill();
    }

    public void Dispose()
    {
        refusal?.Dispose();
        foreach (HeldProcess process in Processes.ToArray()) process.Dispose();
        foreach (DescriptorSocket stranger in strangers) stranger.Dispose();
        mount?.Dispose();
        listener.Dispose();
        File.Delete(path);
    }
}
