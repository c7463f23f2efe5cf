using DataLayer.Cache;
using DataLayer.Formats;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.FuseFs;

/// <summary>
/// One snapshot a mount serves: its manifest, the reader of its bytes, and a count of the requests that use them. A refresh
/// drops a snapshot while requests still read it, so its mapping goes away with the last of them.
/// </summary>
sealed class MountedSnapshot(Manifest manifest, DatasetReader reader)
{
    int uses = 1; // the mount's own

    public Manifest Manifest { get; } = manifest;
    public DatasetReader Reader { get; } = reader;

    /// <summary>When the listing (or the snapshot file) was made.</summary>
    public required DateTime TakenUtc { get; set; }

    /// <summary>Position in the mount's sequence of snapshots; tags directory offsets.</summary>
    public required int Generation { get; init; }

    /// <summary>The manifest's file, for a successor: it lasts as long as somebody has it open. Only on a mount that is held.</summary>
    public SafeFileHandle? File { get; init; }

    /// <summary>False when the last use is gone already. Every true wants a <see cref="Release"/>.</summary>
    public bool TryAcquire()
    {
        int seen = Volatile.Read(ref uses);
        while (seen > 0)
        {
            int found = Interlocked.CompareExchange(ref uses, seen + 1, seen);
            if (found == seen) return true;
            seen = found;
        }

        return false;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref uses) > 0) return;
        // Nobody reads through it any more; what remains is to stop its background filling.
        _ = DisposeAsync();
    }

    async Task DisposeAsync()
    {
        try
        {
            await Reader.DisposeAsync();
        }
        catch (Exception fault)
        {
            Log.Warn($"closing an old snapshot: {fault.Message}");
        }

        Manifest.Dispose();
        File?.Dispose();
        closed.TrySetResult();
    }

    readonly TaskCompletionSource closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the last use is gone and everything is released.</summary>
    public Task Closed => closed.Task;
}
