using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// A mounted connection that is not being served: its descriptors, and what INIT settled once that is done. One process can
/// mount and another serve, and a process that keeps the descriptors (a holder) can give them to a successor when the serving
/// one dies. <see cref="FuseConnection.Attach"/> takes it over.
/// </summary>
/// <remarks>
/// A request that a dead process had read belongs to the descriptor it was read from: it is sent again only while somebody
/// keeps that descriptor, so a holder makes all clones and keeps every one. None may leak into a client, which would wait for
/// itself.
/// </remarks>
/// <param name="Devices">Descriptors of /dev/fuse: the first one is the mount's own, the others are clones of it. Owned by this object until it is attached.</param>
/// <param name="Negotiation">Null: INIT waits in the first descriptor.</param>
/// <param name="MountPoint">Absolute path; need not exist in the namespace of who serves.</param>
/// <param name="ConnectionId">N of /sys/fs/fuse/connections/N.</param>
public sealed record FuseHandover(IReadOnlyList<SafeFileHandle> Devices, FuseNegotiation? Negotiation, string MountPoint, int ConnectionId) : IDisposable
{
    /// <summary>Memory of the requests not answered yet, where the kernel cannot send them again; made by <see cref="Initialize"/>.</summary>
    public SafeFileHandle? Journal { get; init; }

    /// <summary>The mount is gone, or the connection was aborted.</summary>
    public bool IsEnded => new FuseDevice(Devices[0]).IsEnded;

    /// <summary>Mounts, and leaves INIT to who serves.</summary>
    /// <param name="mountPoint">An existing directory.</param>
    /// <exception cref="FuseException">One line that names the path and the remedy.</exception>
    /// <exception cref="ArgumentException">A bad option.</exception>
    public static FuseHandover Mount(string mountPoint, FuseOptions options)
    {
        options.Validate();
        string path = MountPath.Resolve(mountPoint);
        FuseTransports.Prepare(options);
        FuseDevice device = FuseMounter.Mount(path, options);
        if (MountTable.TopAt(Encoding.UTF8.GetBytes(path)) is { } entry) return new FuseHandover([device.Handle], null, path, entry.Minor);
        device.Dispose();
        throw new FuseException($"The mount on {path} vanished while it was made.", Errno.ENOTCONN);
    }

    /// <summary>Answers INIT and makes the clones, for a holder that serves nothing itself.</summary>
    /// <returns>The same connection, ready to be served by read and write; io_uring is not taken, because rings cannot be handed over.</returns>
    public FuseHandover Initialize(FuseOptions options)
    {
        if (Negotiation is not null) return this;
        options = FuseTransports.ForHeld(options);
        FuseDevice device = new(Devices[0]);
        FuseInitIn offer = FuseHandshake.Receive(device, out ulong unique);
        FuseNegotiation settled = FuseHandshake.Negotiate(offer, options, ioUring: false);
        FuseHandshake.Reply(device, unique, FuseHandshake.Answer(settled, options));
        ReadAhead.Raise(ConnectionId, options);
        List<SafeFileHandle> all = [device.Handle];
        while (options.Transport == FuseTransportKind.ClonedDescriptors && all.Count < options.Threads && device.TryClone() is { } clone) all.Add(clone.Handle);
        return this with { Devices = all, Negotiation = settled, Journal = settled.Has(FuseFeatures.HasResend) ? null : RequestJournal.Create() };
    }

    /// <summary>Mounts for a holder: with io_uring left off, whose rings die with their process.</summary>
    /// <inheritdoc cref="Mount"/>
    public static FuseHandover MountHeld(string mountPoint, FuseOptions options)
    {
        FuseHandover mount = Mount(mountPoint, FuseTransports.ForHeld(options));
        try
        {
            return mount.Initialize(options);
        }
        catch
        {
            mount.Dispose();
            FuseMountPoint.Unmount(mount.MountPoint, lazy: true);
            throw;
        }
    }

    /// <summary>
    /// Answers everything with an error, first what nobody answered so far, until cancelled: for a holder without anybody
    /// who can serve. Callers fail instead of waiting.
    /// </summary>
    /// <param name="cancellation">Acted on within 0.1 s.</param>
    public void Refuse(Errno error, CancellationToken cancellation)
    {
        using RequestRefusal refusal = new([.. Devices.Select(static handle => new FuseDevice(handle))], Negotiation!, Journal, error);
        refusal.Run(cancellation);
    }

    /// <summary>Unmounts; while files are open, detaches the mount so that it ends with the last of them.</summary>
    public void Unmount() => FuseConnection.UnmountIfOnTop(MountPoint, ConnectionId);

    /// <summary>Ends the connection at once: callers get ECONNABORTED.</summary>
    public void Abort() => FuseMountPoint.Abort(ConnectionId);

    public void Dispose()
    {
        foreach (SafeFileHandle device in Devices) device.Dispose();
        Journal?.Dispose();
    }
}
