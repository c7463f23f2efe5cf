using DataLayer.Fuse;
using DataLayer.FuseFs.Holding;
using DataLayer.TestKit;

namespace DataLayer.EndToEnd.Tests.Holding;

/// <summary>A mount with a holder, and what its holder says of it.</summary>
sealed class HeldMounted : IDisposable
{
    // Starting a runtime on a machine that does other things, with the pauses such machines have.
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    readonly Mounted mount;
    readonly int connection;

    /// <param name="arguments">What follows `mount`, without the mount point and --hold.</param>
    public HeldMounted(string mountPoint, params string[] arguments)
    {
        mount = new Mounted(mountPoint, [.. arguments, "--hold"]);
        connection = FuseMountPoint.Find(mountPoint)!.ConnectionId;
    }

    public string MountPoint => mount.MountPoint;
    public string Errors => mount.Errors;

    public HoldStatus Status => Ask(new HoldMessage { Kind = HoldMessageKind.Status }).Status!;

    /// <summary>Waits until somebody serves, and returns who.</summary>
    public HoldStatus WaitFor(Func<HoldStatus, bool> condition)
    {
        HoldStatus? last = null;
        Await.Until(() => TryAsk(new HoldMessage { Kind = HoldMessageKind.Status }) is { Status: { } status } && condition(last = status), Patience, () => $"{last}\n{Errors}");
        return last!;
    }

    public HoldStatus WaitForStandby() => WaitFor(static status => status is { Serving: > 0, Standby: > 0 });

    /// <summary>kill -9 of who serves, and the status once another does.</summary>
    public HoldStatus KillServing()
    {
        int victim = WaitFor(static status => status.Serving > 0).Serving;
        Shell.Bash("kill -9 $1", $"{victim}").Checked.ToString();
        return WaitFor(status => status.Serving > 0 && status.Serving != victim);
    }

    /// <returns>Null, or why it was not upgraded.</returns>
    public string? Upgrade(string? binary = null) =>
        Ask(new HoldMessage { Kind = HoldMessageKind.Upgrade, Program = binary is null ? null : [binary] }).Error;

    public void KillHolder() => Shell.Bash("kill -9 $1", $"{Status.Holder}").Checked.ToString();

    static bool IsAlive(int id)
    {
        using ProcessHandle? process = ProcessHandle.TryOpen(id);
        return process is { HasEnded: false };
    }

    HoldMessage Ask(HoldMessage message) => TryAsk(message) ?? throw new InvalidOperationException($"the holder does not answer\n{Errors}");

    HoldMessage? TryAsk(HoldMessage message)
    {
        using DescriptorSocket? socket = DescriptorSocket.TryConnect(HoldSocket.PathFor(connection));
        return socket is not null && socket.Send(message) ? socket.Receive()?.Message : null;
    }

    /// <summary>Unmounts, and waits until every process of the mount is gone.</summary>
    public void Dispose()
    {
        HoldStatus last = Status;
        DlFuse.Run("unmount", MountPoint).Checked.ToString();
        Await.Until(() => new[] { last.Holder, last.Serving, last.Standby }.All(static id => id == 0 || !IsAlive(id)), Patience, () => $"of {last} some are left\n{Errors}");
        mount.Abandon();
    }
}

/// <summary>Waiting for what another process does.</summary>
static class Await
{
    public static void Until(Func<bool> condition, TimeSpan patience, Func<string> state)
    {
        long deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (!condition())
        {
            if (Environment.TickCount64 > deadline) throw new TimeoutException($"not within {patience.TotalSeconds} s: {state()}");
            Thread.Sleep(20);
        }
    }
}
