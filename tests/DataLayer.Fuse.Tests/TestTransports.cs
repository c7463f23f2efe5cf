namespace DataLayer.Fuse.Tests;

/// <summary>The transports that this machine can run. Switches io_uring on for the time of the tests.</summary>
static class TestTransports
{
    const string EnableParameter = "/sys/module/fuse/parameters/enable_uring";

    public static IReadOnlyList<FuseTransportKind> Available { get; } = Find();

    static FuseTransportKind[] Find()
    {
        FuseTransportKind[] always = [FuseTransportKind.SingleDescriptor, FuseTransportKind.ClonedDescriptors];
        bool wasOn = RingTransport.IsEnabled(enable: false);
        if (!RingTransport.IsEnabled(enable: true)) return always; // Linux before 6.14.
        if (!wasOn) AppDomain.CurrentDomain.ProcessExit += static (_, _) => File.WriteAllText(EnableParameter, "N");
        return [.. always, FuseTransportKind.IoUring];
    }
}
