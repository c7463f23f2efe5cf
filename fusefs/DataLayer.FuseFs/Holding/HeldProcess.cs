using System.Diagnostics;
using System.Runtime.InteropServices;
using DataLayer.Fuse;

namespace DataLayer.FuseFs.Holding;

enum HeldProcessState
{
    Starting,
    /// <summary>Has everything but the connection.</summary>
    Ready,
    /// <summary>Was told to serve.</summary>
    Taking,
    Serving,
    Pausing,
    Paused,
    /// <summary>Was told to end.</summary>
    Leaving,
}

/// <summary>A process that serves the mount, or may, as its holder sees it.</summary>
sealed class HeldProcess : IDisposable
{
    HeldProcess(int key, ProcessHandle? handle, Process? child)
    {
        Key = key;
        Handle = handle;
        Child = child;
    }

    public int Key { get; }

    /// <summary>Null when it had ended before it could be watched.</summary>
    public ProcessHandle? Handle { get; private set; }

    /// <summary>Null for one that another holder started.</summary>
    public Process? Child { get; }
    public DescriptorSocket? Socket { get; private set; }
    public HeldProcessState State { get; private set; }

    /// <summary>TickCount64 when <see cref="State"/> was entered.</summary>
    public long Since { get; private set; } = Environment.TickCount64;

    /// <summary>TickCount64 after which it is killed unless it gets on.</summary>
    public long Deadline { get; private set; } = long.MaxValue;
    public bool HasEnded => Handle is null || Handle.HasEnded;
    public int Id => Handle?.Id ?? 0;

    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be run.</exception>
    public static HeldProcess Start(IReadOnlyList<string> program, string socket, int key, TimeSpan patience)
    {
        Process child = DlFuseProgram.Start(program, "serve", socket, key.ToString());
        HeldProcess process = new(key, ProcessHandle.TryOpen(child.Id), child);
        process.Enter(HeldProcessState.Starting, patience);
        return process;
    }

    /// <summary>One that serves already.</summary>
    public static HeldProcess Adopt(int key, DescriptorSocket socket)
    {
        HeldProcess process = new(key, ProcessHandle.TryOpen(socket.PeerProcess), null) { Socket = socket };
        process.Enter(HeldProcessState.Serving, Timeout.InfiniteTimeSpan);
        return process;
    }

    /// <summary>It has come back to us. What was started may have been a script around it.</summary>
    public void Connect(DescriptorSocket socket)
    {
        Socket = socket;
        if (Handle?.Id == socket.PeerProcess) return;
        Handle?.Dispose();
        Handle = ProcessHandle.TryOpen(socket.PeerProcess);
    }

    public void Enter(HeldProcessState state, TimeSpan patience)
    {
        State = state;
        Since = Environment.TickCount64;
        SetDeadline(patience);
    }

    void SetDeadline(TimeSpan patience) =>
        Deadline = patience == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)patience.TotalMilliseconds;

    /// <summary>Says something that brings it to another state.</summary>
    public void Tell(HoldMessage message, HeldProcessState state, TimeSpan patience, params IReadOnlyList<SafeHandle> attached)
    {
        Enter(state, patience);
        // One that is gone is seen to be gone by its process.
        _ = Socket?.Send(message, attached);
    }

    /// <summary>It has closed its end: it is about to be gone, or has a fault it can still write down.</summary>
    public void Disconnect(TimeSpan patience)
    {
        Socket!.Dispose();
        Socket = null;
        SetDeadline(patience);
    }

    public void Kill() => Handle?.Kill();

    public void Dispose()
    {
        Socket?.Dispose();
        Handle?.Dispose();
        Child?.Dispose();
    }
}
