using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>One kernel FUSE connection and the threads that serve it. Thread-safe.</summary>
/// <remarks>
/// Notifications (Invalidate…, <see cref="NotifyDelete"/>, <see cref="Store"/>) wait inside the kernel for page and directory
/// locks that a request in progress may hold: never call them from a handler, nor while holding what a handler waits for.
/// </remarks>
public sealed class FuseConnection : IDisposable
{
    /// <summary>Time for the threads to end by themselves after an unmount, and again after an abort.</summary>
    static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    readonly FuseDevice _device;
    readonly FuseSession _session;
    readonly FuseNotifier _notifier;
    readonly FuseOptions _options;
    readonly FuseControl? _control;
    readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    FuseTransport? _transport;
    bool _disposed;

    FuseConnection(FuseDevice device, FuseSession session, FuseOptions options, string mountPoint, int connectionId)
    {
        _device = device;
        _session = session;
        _options = options;
        _notifier = new FuseNotifier(device, session.Negotiation);
        MountPoint = mountPoint;
        ConnectionId = connectionId;
        _control = FuseControl.TryOpen(connectionId);
    }

    /// <summary>Absolute path, directories above it resolved.</summary>
    public string MountPoint { get; }

    public FuseNegotiation Negotiation => _session.Negotiation;

    /// <summary>The transport in use; Auto until INIT is done.</summary>
    public FuseTransportKind Transport => _transport?.Kind ?? FuseTransportKind.Auto;

    /// <summary>N of /sys/fs/fuse/connections/N.</summary>
    public int ConnectionId { get; }

    /// <summary>Completes when the connection has ended and all threads are gone: unmount, abort, or a lost device.</summary>
    public Task Completion => _ended.Task;

    /// <summary>Mounts and serves. Returns when the mount is usable.</summary>
    /// <param name="mountPoint">An existing directory.</param>
    /// <exception cref="FuseException">One line that names the path and the remedy.</exception>
    /// <exception cref="ArgumentException">A bad option.</exception>
    public static FuseConnection Mount(string mountPoint, IFuseFileSystem fileSystem, FuseOptions options)
    {
        options.Validate();
        string path = MountPath.Resolve(mountPoint);
        bool ioUring = FuseTransports.MayUseIoUring(options);
        FuseDevice device = FuseMounter.Mount(path, options);
        try
        {
            MountEntry entry = MountTable.TopAt(Encoding.UTF8.GetBytes(path)) ??
                throw new FuseException($"The mount on {path} vanished while it was made.", Errno.ENOTCONN);
            FuseConnection connection = Serve(device, fileSystem, options, ioUring, path, entry.Minor);
            if (options.ReadAhead > 0 && !ReadAhead.TrySet(entry, options.ReadAhead))
                options.Log(FuseLogLevel.Information, $"Read-ahead of {path} stays at {connection.Negotiation.MaxReadAhead >> 10} KiB: raising it needs root.");
            return connection;
        }
        catch
        {
            device.Dispose();
            FuseMountPoint.Unmount(path, lazy: true);
            throw;
        }
    }

    /// <summary>Unmounts; while files are open, detaches the mount so that it ends with the last of them.</summary>
    public void Unmount()
    {
        // Another mount may lie on top of ours, or it may be gone already: both are none of our business.
        if (MountTable.TopAt(Encoding.UTF8.GetBytes(MountPoint)) is not { } top || top.Minor != ConnectionId) return;
        try
        {
            FuseMountPoint.Unmount(MountPoint);
        }
        catch (FuseException)
        {
            FuseMountPoint.Unmount(MountPoint, lazy: true);
        }
    }

    /// <summary>
    /// Ends the connection at once, for every mount of it in every namespace: callers get ECONNABORTED. Where that is not
    /// permitted, answers everything with EIO from now on, which frees the callers as well.
    /// </summary>
    public void Abort()
    {
        if (Completion.IsCompleted) return;
        Errno errno = _control?.Abort() ?? Errno.EPERM;
        if (errno is Errno.None or Errno.ENOENT) return;
        _options.Log(FuseLogLevel.Warning, $"FUSE connection {ConnectionId} cannot be aborted ({errno}); its requests are answered with EIO instead.");
        _session.Fail();
    }

    /// <summary>Drops cached attributes and the pages of a range. Length 0: to the end of the file; offset -1: attributes only.</summary>
    /// <returns>None, or ENOENT when the kernel does not know the node.</returns>
    public Errno InvalidateInode(FuseNodeId node, long offset = 0, long length = 0) => _notifier.InvalidateInode(node, offset, length);

    /// <summary>Drops one name, or with <paramref name="expireOnly"/> makes the kernel look it up again and keep what is open below.</summary>
    /// <returns>None, or ENOENT when the kernel does not know the parent or the name.</returns>
    public Errno InvalidateEntry(FuseNodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false) => _notifier.InvalidateEntry(parent, name, expireOnly);

    /// <summary>As <see cref="InvalidateEntry"/> for a name that is gone: inotify watchers are told.</summary>
    public Errno NotifyDelete(FuseNodeId parent, FuseNodeId child, ReadOnlySpan<byte> name) => _notifier.Delete(parent, child, name);

    /// <summary>Expires every cached name of the mount at once (7.44). ENOSYS on older kernels: use <see cref="InvalidateEntry"/>.</summary>
    public Errno IncrementEpoch() => _notifier.IncrementEpoch();

    /// <summary>Puts bytes into the page cache of a node; ENOENT when the kernel does not know it.</summary>
    public Errno Store(FuseNodeId node, ulong offset, ReadOnlySpan<byte> data) => _notifier.Store(node, offset, data);

    /// <summary>Registers an open regular file for passthrough: needs CAP_SYS_ADMIN and <see cref="FuseFeatures.Passthrough"/>.</summary>
    /// <returns>A positive id, or a negative errno.</returns>
    public int BackingOpen(SafeFileHandle file) => _device.BackingOpen(file);

    public Errno BackingClose(int backingId) => _device.BackingClose(backingId);

    public FuseStatistics Statistics() => _session.Statistics();

    /// <summary>Unmounts and waits for the threads; if callers keep them, aborts. Bounded: a handler that never returns keeps only its own thread.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            Unmount();
        }
        catch (FuseException fault)
        {
            _options.Log(FuseLogLevel.Warning, fault.Message);
        }
        if (!Completion.Wait(EndPatience)) Abort();
        if (!Completion.Wait(EndPatience)) _options.Log(FuseLogLevel.Error, $"Threads of the mount on {MountPoint} did not end; they are left behind.");
    }

    /// <summary>Answers INIT and starts the threads.</summary>
    static FuseConnection Serve(FuseDevice device, IFuseFileSystem fileSystem, FuseOptions options, bool ioUring, string path, int connectionId)
    {
        FuseInitIn offer = FuseHandshake.Receive(device, out ulong unique);
        FuseNegotiation settled = FuseHandshake.Negotiate(offer, options, ioUring);
        FuseSession session = new(fileSystem, settled, options);
        RingTransport? rings = settled.Has(FuseFeatures.OverIoUring) ? RingTransport.TryCreate(session, device, options) : null;
        if (rings is null && settled.Has(FuseFeatures.OverIoUring))
        {
            settled = FuseHandshake.Negotiate(offer, options, ioUring: false);
            session = new FuseSession(fileSystem, settled, options);
        }
        FuseConnection connection = new(device, session, options, path, connectionId);
        try
        {
            fileSystem.Connected(connection);
            FuseHandshake.Reply(device, unique, FuseHandshake.Answer(settled, options));
            connection.Start(FuseTransports.Choose(session, device, options, rings));
            return connection;
        }
        catch
        {
            rings?.Abandon();
            connection._control?.Dispose();
            throw;
        }
    }

    void Start(FuseTransport transport)
    {
        _transport = transport;
        _session.Workers = transport.Workers;
        transport.Start();
        _ = EndAsync(transport);
    }

    async Task EndAsync(FuseTransport transport)
    {
        await transport.Completion;
        _session.CancelDeferred();
        try
        {
            _session.FileSystem.Disconnected();
        }
        catch (Exception fault)
        {
            _options.Log(FuseLogLevel.Error, $"The end of the mount on {MountPoint}: the filesystem failed: {fault}");
        }
        transport.Dispose();
        _device.Dispose();
        _control?.Dispose();
        _ended.SetResult();
    }
}
