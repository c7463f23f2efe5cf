using DataLayer.Fuse;

namespace DataLayer.FuseFs.Holding;

/// <summary>Answers the callers of a mount with EIO on a thread of its own, until disposed.</summary>
sealed class Refusal : IDisposable
{
    readonly CancellationTokenSource stop = new();
    readonly Thread thread;

    public Refusal(FuseHandover handover)
    {
        thread = new Thread(() => handover.Refuse(Errno.EIO, stop.Token)) { IsBackground = true, Name = "refusal" };
        thread.Start();
    }

    public long Since { get; } = Environment.TickCount64;

    /// <summary>When this has returned, nothing is taken from the kernel any more.</summary>
    public void Dispose()
    {
        stop.Cancel();
        thread.Join();
        stop.Dispose();
    }
}
