namespace DataLayer.Fuse.Tests;

/// <summary>The transports that this machine can run.</summary>
static class TestTransports
{
    public static IReadOnlyList<FuseTransportKind> Available { get; } = [FuseTransportKind.SingleDescriptor, FuseTransportKind.ClonedDescriptors];
}
