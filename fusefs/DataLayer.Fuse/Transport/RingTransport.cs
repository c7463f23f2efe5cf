namespace DataLayer.Fuse;

/// <summary>
/// FUSE over io_uring: a queue with a pinned thread for each CPU that the machine can have, and one reader of /dev/fuse for
/// what still comes there (forgets, interrupts) and for the end of the connection.
/// </summary>
/// <remarks>
/// The kernel puts a request into the queue of the CPU its caller runs on, so the answer needs no wake-up across CPUs: 5 µs
/// instead of 53–58 µs where that was measured. It uses the rings only once every possible CPU has a queue with an entry.
/// </remarks>
sealed class RingTransport : FuseTransport
{
    const string EnableParameter = "/sys/module/fuse/parameters/enable_uring";
    const string PossibleCpus = "/sys/devices/system/cpu/possible";

    /// <summary>FUSE_MIN_READ_BUFFER: the least the kernel demands, else max_pages pages.</summary>
    const int SmallestPayload = 8192;

    /// <summary>
    /// What the payloads of all queues may come to once all were used: on a machine with many CPUs fewer entries each, but
    /// never under 4, because a deferred request keeps its entry.
    /// </summary>
    const int PayloadBudget = 128 << 20;
    const int FewestEntries = 4;

    static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(10);

    readonly FuseSession _session;
    readonly DeviceWorker _reader;
    readonly List<RingWorker> _rings = [];

    RingTransport(FuseSession session, FuseDevice device)
    {
        _session = session;
        _reader = new DeviceWorker(session, 0, device, journal: null, isOnlyOne: true);
    }

    public override FuseTransportKind Kind => FuseTransportKind.IoUring;

    public override IReadOnlyList<FuseWorker> Workers => [_reader, .. _rings];

    /// <summary>Whether the kernel would offer it on a mount made now.</summary>
    /// <param name="enable">Switch it on where it is off: root, for the whole machine.</param>
    public static bool IsEnabled(bool enable)
    {
        try
        {
            if (File.ReadAllText(EnableParameter).StartsWith('Y')) return true;
            if (!enable) return false;
            File.WriteAllText(EnableParameter, "Y");
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false; // No such parameter before 6.14; not ours to write without root.
        }
    }

    /// <summary>Makes threads and rings, before INIT is answered: from then on the kernel waits for them.</summary>
    /// <returns>Null where rings cannot be had (a seccomp filter, io_uring_disabled, no memory).</returns>
    public static RingTransport? TryCreate(FuseSession session, FuseDevice device, FuseOptions options)
    {
        RingTransport transport = new(session, device);
        int payload = Math.Max(SmallestPayload, FuseHandshake.PagesOf(session.Negotiation.MaxRead) * Environment.SystemPageSize);
        int cpus = CountPossibleCpus();
        int entries = Math.Min(options.RingEntries, Math.Max(FewestEntries, PayloadBudget / payload / cpus));
        for (int cpu = 0; cpu < cpus; cpu++)
        {
            if (RingWorker.TryCreate(session, transport._rings.Count + 1, device, cpu, entries, payload) is not { } ring) return transport.GiveUp();
            transport._rings.Add(ring);
        }
        transport.StartThreads([.. transport._rings.Select(static ring => ($"fuse-ring-{ring.Cpu}", (Action)ring.Run))]);
        return transport._rings.TrueForAll(static ring => ring.Created.Wait(StartPatience) && ring.Created.Result == Errno.None)
            ? transport
            : transport.GiveUp();
    }

    /// <summary>Hands all entries to the kernel. Call after INIT was answered.</summary>
    /// <returns>False when the kernel refused: it then sends everything to /dev/fuse, and this transport is gone.</returns>
    /// <exception cref="FuseException">The kernel waits for rings that will not come: the mount is of no use.</exception>
    public bool TryRegister()
    {
        foreach (RingWorker ring in _rings) ring.Register();
        foreach (RingWorker ring in _rings)
        {
            if (!ring.Registered.Wait(StartPatience) || ring.Registered.Result < 0)
                throw new FuseException($"io_uring of CPU {ring.Cpu} failed while it was set up; mount with --no-io-uring.", Errno.EIO);
        }
        if (_rings.TrueForAll(static ring => ring.Registered.Result > 0)) return true;
        Abandon();
        return false;
    }

    /// <summary>Ends the threads of a transport that was not started.</summary>
    public void Abandon() => GiveUp();

    public override void Start() => StartThreads([("fuse-0", ReadDevice)]);

    public override void Dispose()
    {
        foreach (RingWorker ring in _rings) ring.Dispose();
    }

    void ReadDevice()
    {
        _reader.Run();
        foreach (RingWorker ring in _rings) ring.Stop();
    }

    RingTransport? GiveUp()
    {
        foreach (RingWorker ring in _rings) ring.Stop();
        if (Completion.Wait(StartPatience)) Dispose();
        else _session.Log(FuseLogLevel.Error, "Threads of io_uring queues did not end; their memory is left behind.");
        return null;
    }

    /// <summary>CPUs the kernel allocates queues for, online or not: "0-3", or rarely "0,2-3", where it counts bits.</summary>
    static int CountPossibleCpus() => CountCpus(File.ReadAllText(PossibleCpus));

    internal static int CountCpus(string list)
    {
        int count = 0;
        foreach (string range in list.Trim().Split(','))
        {
            string[] ends = range.Split('-');
            count += int.Parse(ends[^1]) - int.Parse(ends[0]) + 1;
        }
        return count;
    }
}
