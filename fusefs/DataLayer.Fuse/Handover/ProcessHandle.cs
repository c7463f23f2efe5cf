using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// One process, not whoever gets its number next (pidfd, Linux 5.3). Becomes readable when all of its threads have ended:
/// from then on it neither takes requests nor answers any.
/// </summary>
public sealed unsafe class ProcessHandle : IDisposable
{
    // System call numbers from 424 on are the same on all architectures.
    const nint PidFdOpen = 434;
    const nint PidFdSendSignal = 424;
    const int Kill9 = 9;

    ProcessHandle(int id, int descriptor)
    {
        Id = id;
        Handle = new SafeFileHandle(descriptor, ownsHandle: true);
    }

    public int Id { get; }

    /// <summary>For <see cref="DescriptorPoll"/>.</summary>
    public SafeFileHandle Handle { get; }

    public bool HasEnded => DescriptorPoll.Wait([Handle], TimeSpan.Zero)[0];

    /// <returns>Null when there is no such process.</returns>
    public static ProcessHandle? TryOpen(int id)
    {
        int descriptor = (int)Libc.SystemCall(PidFdOpen, id, 0, 0, 0, 0, 0);
        return descriptor < 0 ? null : new ProcessHandle(id, descriptor);
    }

    /// <summary>SIGKILL; nothing when it has ended.</summary>
    public void Kill() => Libc.SystemCall(PidFdSendSignal, (nint)Handle.DangerousGetHandle(), Kill9, 0, 0, 0, 0);

    public void Dispose() => Handle.Dispose();
}

/// <summary>poll(2) for reading.</summary>
public static unsafe class DescriptorPoll
{
    /// <summary>Waits until one can be read or has ended, or a signal arrives.</summary>
    /// <param name="timeout"><see cref="Timeout.InfiniteTimeSpan"/>: for ever.</param>
    /// <returns>For each, whether it can be read.</returns>
    public static bool[] Wait(IReadOnlyList<SafeFileHandle> descriptors, TimeSpan timeout)
    {
        PollFd[] polls = [.. descriptors.Select(static handle => new PollFd { Descriptor = (int)handle.DangerousGetHandle(), Events = Libc.PollIn })];
        int milliseconds = timeout == Timeout.InfiniteTimeSpan ? -1 : (int)Math.Ceiling(timeout.TotalMilliseconds);
        // Safe: the array is pinned for the call.
        fixed (PollFd* at = polls) _ = Libc.Poll(at, (nuint)polls.Length, milliseconds);
        GC.KeepAlive(descriptors);
        return [.. polls.Select(static poll => poll.ReturnedEvents != 0)];
    }
}
