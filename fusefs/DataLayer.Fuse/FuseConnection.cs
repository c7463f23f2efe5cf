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

    readonly FuseDevice[] _devices;
    readonly FuseSession _session;
    readonly FuseNotifier _notifier;
    readonly FuseOptions _options;
    readonly FuseControl? _control;
    readonly SafeFileHandle? _handedJournal;
    readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    RequestJournal? _journal;
    FuseTransport? _transport;
    bool _paused;
    bool _disposed;

    FuseConnection(FuseDevice[] devices, FuseSession session, FuseOptions options, FuseHandover handover)
    {
        _devices = devices;
        _session = session;
        _options = options;
        _notifier = new FuseNotifier(devices[0], session.Negotiation);
        MountPoint = handover.MountPoint;
        ConnectionId = handover.ConnectionId;
        _control = FuseControl.TryOpen(ConnectionId);
        _handedJournal = handover.Journal;
        session.Abort = Abort;
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
        FuseHandover mount = FuseHandover.Mount(mountPoint, options);
        try
        {
            return Attach(mount, fileSystem, options);
        }
        catch
        {
            mount.Dispose();
            try
            {
                UnmountIfOnTop(mount.MountPoint, mount.ConnectionId);
            }
            catch (FuseException fault)
            {
                options.Log(FuseLogLevel.Warning, fault.Message); // Why the mount failed is what the caller must see.
            }
            throw;
        }
    }

    /// <summary>Serves a connection that exists already, and owns its descriptors from then on.</summary>
    /// <exception cref="FuseException">INIT failed; the descriptors are still the caller's.</exception>
    /// <exception cref="ArgumentException">A bad option.</exception>
    public static FuseConnection Attach(FuseHandover handover, IFuseFileSystem fileSystem, FuseOptions options)
    {
        options.Validate();
        FuseDevice[] devices = [.. handover.Devices.Select(static handle => new FuseDevice(handle))];
        return handover.Negotiation is { } settled
            ? Resume(devices, settled, fileSystem, options, handover)
            : Begin(devices, fileSystem, options, handover);
    }

    /// <summary>Unmounts; while files are open, detaches the mount so that it ends with the last of them.</summary>
    public void Unmount() => UnmountIfOnTop(MountPoint, ConnectionId);

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
    public int BackingOpen(SafeFileHandle file) => _devices[0].BackingOpen(file);

    public Errno BackingClose(int backingId) => _devices[0].BackingClose(backingId);

    public FuseStatistics Statistics() => _session.Statistics();

    /// <summary>
    /// Stops serving without ending the mount: requests in hand are finished, those that wait for something are left to who
    /// serves next. Callers wait meanwhile. Only for a connection that was handed over.
    /// </summary>
    /// <returns>False when a handler did not return in time: then this process must end before another one serves.</returns>
    public bool TryPause(TimeSpan patience)
    {
        if (_transport is not DeviceTransport transport || Negotiation.Has(FuseFeatures.OverIoUring))
            throw new InvalidOperationException("Only a connection served by read and write can be paused.");
        _paused = true;
        if (!transport.TryStop(patience) || !_session.Abandon(patience)) return false;
        _journal?.Dispose();
        _journal = null;
        return true;
    }

    /// <summary>Serves on after <see cref="TryPause"/>, as any successor would.</summary>
    public void Resume()
    {
        _paused = false;
        Recover();
    }

    /// <summary>After <see cref="TryPause"/>: lets go of the descriptors and leaves the mount to who has copies of them.</summary>
    public void Leave()
    {
        if (!_paused) throw new InvalidOperationException("Pause the connection before leaving it.");
        _disposed = true;
        foreach (FuseDevice device in _devices) device.Dispose();
        _handedJournal?.Dispose();
        _control?.Dispose();
    }

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
    static FuseConnection Begin(FuseDevice[] devices, IFuseFileSystem fileSystem, FuseOptions options, FuseHandover handover)
    {
        FuseDevice device = devices[0];
        FuseInitIn offer = FuseHandshake.Receive(device, out ulong unique);
        FuseNegotiation settled = FuseHandshake.Negotiate(offer, options, FuseTransports.MayUseIoUring(options));
        FuseSession session = new(fileSystem, settled, options);
        RingTransport? rings = settled.Has(FuseFeatures.OverIoUring) ? RingTransport.TryCreate(session, device, options) : null;
        if (rings is null && settled.Has(FuseFeatures.OverIoUring))
        {
            settled = FuseHandshake.Negotiate(offer, options, ioUring: false);
            session = new FuseSession(fileSystem, settled, options);
        }
        FuseConnection connection = new(devices, session, options, handover);
        try
        {
            fileSystem.Connected(connection);
            FuseHandshake.Reply(device, unique, FuseHandshake.Answer(settled, options));
            ReadAhead.Raise(connection.ConnectionId, options);
            connection.Start(FuseTransports.Choose(session, devices, options, rings));
            return connection;
        }
        catch
        {
            rings?.Abandon();
            connection._control?.Dispose();
            throw;
        }
    }

    /// <summary>Goes on where another process stopped, and asks for what that one had read and not answered.</summary>
    static FuseConnection Resume(FuseDevice[] devices, FuseNegotiation settled, IFuseFileSystem fileSystem, FuseOptions options, FuseHandover handover)
    {
        FuseSession session = new(fileSystem, settled, options);
        FuseConnection connection = new(devices, session, options, handover);
        fileSystem.Connected(connection);
        connection.Recover();
        return connection;
    }

    /// <summary>Takes up what a predecessor left, by the kernel's help or from the journal, and starts the threads.</summary>
    void Recover()
    {
        if (_handedJournal is not null) _journal = RequestJournal.Open(_handedJournal, _devices.Length);
        else _notifier.Resend();
        Start(FuseTransports.ChooseHeld(_session, _devices, _options, _journal));
    }

    internal static void UnmountIfOnTop(string path, int connectionId)
    {
        // Another mount may lie on top of ours, or it may be gone already, or in another namespace: none of our business.
        if (MountTable.TopAt(Encoding.UTF8.GetBytes(path)) is not { } top || top.Minor != connectionId) return;
        try
        {
            FuseMountPoint.Unmount(path);
        }
        catch (FuseException)
        {
            FuseMountPoint.Unmount(path, lazy: true);
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
        if (transport is DeviceTransport { IsStopped: true }) return; // Paused, perhaps resumed meanwhile.
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
        foreach (FuseDevice device in _devices) device.Dispose();
        _journal?.Dispose();
        _handedJournal?.Dispose();
        _control?.Dispose();
        _ended.SetResult();
    }
}
