using System.Runtime.InteropServices;
using DataLayer.Fuse;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.FuseFs.Holding;

/// <summary>All that a holder keeps of a mount: descriptors, and the values that a successor cannot find out again.</summary>
sealed class HeldMount : IDisposable
{
    readonly List<SafeFileHandle> manifests = [];

    HeldMount(FuseHandover handover, SharedRegion opens)
    {
        Handover = handover;
        Opens = opens;
    }

    public FuseHandover Handover { get; }
    public SharedRegion Opens { get; }

    /// <summary>As the last process said, the newest first.</summary>
    public IReadOnlyList<SnapshotMark> Snapshots { get; private set; } = [];
    public OpenMode OpenMode { get; private set; }
    public string Dataset { get; private set; } = "";

    public static HeldMount Make(MountOptions options) =>
        new(FuseHandover.MountHeld(options.MountPoint, MountSession.OptionsOf(options)), OpenTable.Create());

    /// <param name="adopt">With everything attached.</param>
    public static HeldMount From(HoldMessage adopt, SafeFileHandle[] attached)
    {
        int next = adopt.Devices;
        SharedRegion opens = SharedRegion.Map(attached[next++], OpenTable.Size);
        HeldMount mount = new(new FuseHandover(attached[..adopt.Devices], adopt.Negotiation, adopt.MountPoint!, adopt.ConnectionId)
        {
            Journal = adopt.HasJournal ? attached[next++] : null,
        }, opens);
        mount.Keep(adopt, attached[next..]);
        return mount;
    }

    /// <summary>Notes what is shown.</summary>
    /// <param name="files">Owned from then on.</param>
    public void Keep(HoldMessage message, SafeFileHandle[] files)
    {
        foreach (SafeFileHandle before in manifests) before.Dispose();
        manifests.Clear();
        manifests.AddRange(files);
        Snapshots = message.Snapshots ?? [];
        OpenMode = message.OpenMode;
        Dataset = message.Dataset ?? "";
    }

    public bool Welcome(DescriptorSocket socket, HoldMessage welcome) =>
        socket.Send(welcome with { Snapshots = Snapshots, OpenMode = OpenMode, Dataset = Dataset }, manifests);

    /// <summary>Gives a process the connection to serve.</summary>
    public void Serve(HeldProcess process, TimeSpan patience)
    {
        HoldMessage message = new()
        {
            Kind = HoldMessageKind.Serve,
            Negotiation = Handover.Negotiation,
            MountPoint = Handover.MountPoint,
            ConnectionId = Handover.ConnectionId,
            Devices = Handover.Devices.Count,
            HasJournal = Handover.Journal is not null,
        };
        process.Tell(message, HeldProcessState.Taking, patience, [.. Handover.Devices, Opens.Descriptor, .. Handover.Journal is { } journal ? [journal] : Array.Empty<SafeHandle>()]);
    }

    public void Dispose()
    {
        Handover.Dispose();
        Opens.Dispose();
        foreach (SafeFileHandle manifest in manifests) manifest.Dispose();
    }
}
