namespace DataLayer.Fuse;

/// <summary>The one place that decides how a connection's requests travel.</summary>
/// <remarks>
/// Auto prefers io_uring: 1.2–2 times the throughput where latency counts. It gives up kill -9 survival (requests in a dead
/// process's rings are neither sent again nor failed), so a mount with a holder never has it: <see cref="ForHeld"/>.
/// </remarks>
static class FuseTransports
{
    /// <summary>Before a mount is made, because the kernel decides then what it will offer: switches io_uring on where that is wanted.</summary>
    public static void Prepare(FuseOptions options)
    {
        if (MayUseIoUring(options) && options.EnableUring) RingTransport.IsEnabled(enable: true);
    }

    /// <summary>The options of a connection that has to outlive the process which serves it.</summary>
    public static FuseOptions ForHeld(FuseOptions options) => options with
    {
        EnableUring = false,
        Transport = options.Transport == FuseTransportKind.SingleDescriptor ? FuseTransportKind.SingleDescriptor : FuseTransportKind.ClonedDescriptors,
    };

    /// <summary>Whether INIT should take io_uring if the kernel offers it.</summary>
    public static bool MayUseIoUring(FuseOptions options) => options.Transport is FuseTransportKind.Auto or FuseTransportKind.IoUring;

    /// <summary>After INIT was answered.</summary>
    /// <param name="devices">The connection's descriptor, and clones that exist already.</param>
    /// <param name="rings">Not null when INIT took io_uring.</param>
    public static FuseTransport Choose(FuseSession session, FuseDevice[] devices, FuseOptions options, RingTransport? rings)
    {
        if (rings is not null)
        {
            session.Workers = rings.Workers;
            if (rings.TryRegister()) return rings;
        }
        if (options.Transport == FuseTransportKind.IoUring)
            session.Log(FuseLogLevel.Warning, "FUSE over io_uring is not available (kernel 6.14 with fuse.enable_uring=1, io_uring permitted); using /dev/fuse.");
        return new DeviceTransport(session, devices, options.Threads, clone: options.Transport != FuseTransportKind.SingleDescriptor, journal: null);
    }

    /// <summary>
    /// For a connection that was handed over. Makes no clones: a request taken from one that only this process has would fail
    /// with it.
    /// </summary>
    public static DeviceTransport ChooseHeld(FuseSession session, FuseDevice[] devices, FuseOptions options, RequestJournal? journal) =>
        new(session, devices, options.Threads, clone: false, journal);
}
