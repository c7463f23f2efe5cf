namespace DataLayer.Fuse;

/// <summary>
/// read(2) and writev(2) on /dev/fuse. With clones each thread has a descriptor of its own, and with it a list of requests
/// in progress that no other thread locks; an answer goes to the descriptor that the request came from.
/// </summary>
sealed class DeviceTransport : FuseTransport
{
    readonly List<DeviceWorker> _workers = [];
    readonly List<FuseDevice> _clones = [];

    /// <summary>Between two signals to a thread that had not begun to wait when the one before came.</summary>
    static readonly TimeSpan Insistence = TimeSpan.FromMilliseconds(1);

    /// <param name="devices">The connection's descriptor and clones of it, each of which is served: requests may wait in any.</param>
    /// <param name="clone">Make clones until each thread has one, as far as that is possible.</param>
    /// <param name="journal">Where requests lie until they are answered; null: in private memory.</param>
    public DeviceTransport(FuseSession session, FuseDevice[] devices, int threads, bool clone, RequestJournal? journal)
    {
        bool cloned = clone || devices.Length > 1;
        for (int i = 0; i < Math.Max(threads, devices.Length); i++)
        {
            FuseDevice own = i < devices.Length ? devices[i] : devices[0];
            if (clone && i >= devices.Length)
            {
                if (devices[0].TryClone() is { } copy) _clones.Add(own = copy);
                else cloned = clone = false;
            }
            _workers.Add(new DeviceWorker(session, i, own, journal, isOnlyOne: i < devices.Length));
        }
        Kind = cloned ? FuseTransportKind.ClonedDescriptors : FuseTransportKind.SingleDescriptor;
    }

    public override FuseTransportKind Kind { get; }

    public override IReadOnlyList<FuseWorker> Workers => _workers;

    /// <summary>Its threads were told to end, or have ended at that moment for another reason.</summary>
    public bool IsStopped { get; private set; }

    public override void Start() => StartThreads([.. _workers.Select(static worker => ($"fuse-{worker.Index}", (Action)worker.Run))]);

    /// <summary>Ends the threads at a request boundary: each finishes what it has in hand and takes nothing more.</summary>
    /// <returns>False when a handler did not return in time.</returns>
    public bool TryStop(TimeSpan patience)
    {
        IsStopped = true; // Before a thread can end by it.
        foreach (DeviceWorker worker in _workers) worker.Stop();
        long deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (!Completion.Wait(Insistence))
        {
            if (Environment.TickCount64 > deadline) return false;
            foreach (DeviceWorker worker in _workers) worker.Stop();
        }
        return true;
    }

    public override void Dispose()
    {
        foreach (FuseDevice clone in _clones) clone.Dispose();
    }
}
