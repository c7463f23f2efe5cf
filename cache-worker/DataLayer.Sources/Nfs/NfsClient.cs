using System.Globalization;
using System.Text;
using DataLayer.Formats;
using DataLayer.Sources.S3;

namespace DataLayer.Sources.Nfs;

/// <summary>The directory that a source stands for, as the server gave it.</summary>
/// <param name="MaxRead">Bytes of one read.</param>
internal sealed record NfsRoot(byte[] Handle, NfsAttributes Attributes, int MaxRead);

/// <param name="Status">Ok: the rest is set.</param>
/// <param name="Attributes">Of what the path's last component is; a symlink is not followed.</param>
internal readonly record struct NfsFound(NfsStatus Status, byte[] Handle, NfsAttributes Attributes);

/// <summary>
/// One export of one server: its connections, its root, and the way from keys to file handles. Every wait ends at the
/// caller's deadline. Safe for concurrent use.
/// </summary>
internal sealed class NfsClient : IDisposable
{
    /// <summary>
    /// Connections at most; each has up to <see cref="RpcContext.Depth"/> calls under way. Cloud NAS limit one connection to
    /// a few hundred MB/s and kernel clients use up to 16 (nconnect); 8 threads of ours already fill 10 Gbit/s.
    /// </summary>
    const int MaxConnections = 8;

    /// <summary>Of a disk fault or the like, which may pass.</summary>
    const int TroubleAttempts = 3;

    readonly NfsLocation _location;
    readonly SourceOptions _options;
    readonly NfsProtocol _protocol;
    readonly RpcConnection[] _connections;
    readonly int _mapperPort;
    readonly SemaphoreSlim _mounting = new(1);
    NfsRoot? _root;
    ulong? _rootFileId;

    /// <param name="mapperPort">The port mapper's, 111 but in tests.</param>
    public NfsClient(NfsLocation location, SourceOptions options, int mapperPort = 111)
    {
        _location = location;
        _options = options;
        _mapperPort = mapperPort;
        _protocol = location.Version == 4 ? new Nfs4(new NfsOwners()) : new Nfs3();
        int? port = location.Port ?? (location.Version == 4 ? NfsLocation.NfsPort : null);
        RpcTarget target = new(location.Server, NfsProtocol.Program, _protocol.Version, port, mapperPort);
        _connections = new RpcConnection[Math.Min(MaxConnections, options.MaxThreads)];
        for (int i = 0; i < _connections.Length; i++) _connections[i] = new RpcConnection(target, options.RequestTimeout);
    }

    public NfsProtocol Protocol => _protocol;

    public string Identity => _location.Identity;

    public NfsHandles Handles { get; } = new();

    public Deadline NewDeadline() => new(_options.ReadDeadline);

    public void Dispose()
    {
        foreach (RpcConnection connection in _connections) connection.Dispose();
        _mounting.Dispose();
    }

    /// <summary>Sends a call and, while the server asks for patience, sends it again.</summary>
    /// <returns>The final status, which is never one that asks for patience.</returns>
    /// <exception cref="SourceException">Unavailable at the deadline; what the server refuses altogether.</exception>
    public async ValueTask<NfsStatus> CallAsync(NfsCall call, Deadline deadline, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            RpcConnection connection = LeastLoaded();
            await SendAsync(connection, call, deadline, cancellation);
            bool again = call.Status.IsBusy() || (call.Status.IsServerTrouble() && attempt < TroubleAttempts);
            if (!again) return call.Status;
            TimeSpan pause = RetryDelay.Next(attempt, null);
            if (pause >= deadline.Left)
                throw new SourceException(SourceFault.Unavailable, $"{Identity} asked to try again later for {_options.ReadDeadline.TotalSeconds:0.#} s ({Name(call.Status)}).");
            await Task.Delay(pause, cancellation);
            call.Renew();
        }
    }

    /// <summary>The first with nothing to do, else the one with least; idle connections have no thread and cost nothing.</summary>
    RpcConnection LeastLoaded()
    {
        RpcConnection best = _connections[0];
        int least = int.MaxValue;
        foreach (RpcConnection connection in _connections)
        {
            int load = connection.Load;
            if (load == 0) return connection;
            if (load < least) (least, best) = (load, connection);
        }
        return best;
    }

    async Task SendAsync(RpcConnection connection, RpcCall call, Deadline deadline, CancellationToken cancellation)
    {
        connection.Start(call);
        try
        {
            await call.WaitAsync(deadline.Left, cancellation);
        }
        catch (TimeoutException)
        {
            string problem = connection.Problem is { } known ? $": {known}" : "; is the server reachable?";
            throw new SourceException(SourceFault.Unavailable,
                string.Create(CultureInfo.InvariantCulture, $"{Identity} did not answer within {_options.ReadDeadline.TotalSeconds:0.#} s{problem}"));
        }
        catch (SourceException e)
        {
            throw new SourceException(e.Fault, $"{Identity}: {e.Message}", e);
        }
    }

    /// <exception cref="SourceException">Misconfigured (no such export), Denied, Unavailable.</exception>
    public async ValueTask<NfsRoot> RootAsync(Deadline deadline, CancellationToken cancellation) =>
        Volatile.Read(ref _root) ?? await MountAsync(null, deadline, cancellation);

    /// <summary>After a server's restart or move its old handles may mean nothing: starts from the export's name again.</summary>
    /// <param name="stale">The root that does not work any more.</param>
    public async ValueTask<NfsRoot> MountAsync(NfsRoot? stale, Deadline deadline, CancellationToken cancellation)
    {
        if (!await _mounting.WaitAsync(deadline.Left, cancellation))
            throw new SourceException(SourceFault.Unavailable, $"{Identity} did not answer within {_options.ReadDeadline.TotalSeconds:0.#} s.");
        try
        {
            if (_root is { } known && known != stale) return known;
            NfsRoot root = _rootFileId is null ? await FindRootAsync(deadline, cancellation) : await FindRootAgainAsync(deadline, cancellation);
            if (_rootFileId is { } before && before != root.Attributes.FileId)
                throw new SourceException(SourceFault.Unavailable, $"{Identity} is not the directory it was; is the server's storage mounted?");
            _rootFileId = root.Attributes.FileId;
            Handles.Clear();
            Volatile.Write(ref _root, root);
            return root;
        }
        finally
        {
            _mounting.Release();
        }
    }

    /// <summary>A server that is starting may not show its exports yet: what would be a mistake at first is waited out.</summary>
    async Task<NfsRoot> FindRootAgainAsync(Deadline deadline, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await FindRootAsync(deadline, cancellation);
            }
            catch (SourceException e) when (!e.IsTransient)
            {
                TimeSpan pause = RetryDelay.Next(attempt, null);
                if (pause >= deadline.Left) throw new SourceException(SourceFault.Unavailable, $"{e.Message} It was there before.", e);
                await Task.Delay(pause, cancellation);
            }
        }
    }

    async Task<NfsRoot> FindRootAsync(Deadline deadline, CancellationToken cancellation)
    {
        (byte[] handle, List<byte[]> rest) = _location.Version == 4
            ? (await GetRootAsync(deadline, cancellation), NfsLocation.Split(_location.Path))
            : await MountExportAsync(deadline, cancellation);
        foreach (byte[] name in rest)
        {
            LookupCall lookup = new(_protocol, handle, name);
            NfsStatus status = await CallAsync(lookup, deadline, cancellation);
            if (status != NfsStatus.Ok) throw NoRoot(status);
            handle = lookup.Reply.Handle;
        }
        GetLimitsCall limits = new(_protocol, handle);
        NfsStatus last = await CallAsync(limits, deadline, cancellation);
        if (last != NfsStatus.Ok) throw NoRoot(last);
        NfsAttributes attributes = limits.Reply.Attributes ?? await AttributesAsync(handle, [], deadline, cancellation);
        if (attributes.Type != NfsType.Directory) throw new SourceException(SourceFault.Misconfigured, $"{Identity} is not a directory.");
        // Servers that set no limit: what every one of them can do.
        long maxRead = limits.Reply.MaxRead == 0 ? 64 * 1024 : limits.Reply.MaxRead;
        return new NfsRoot(handle, attributes, (int)Math.Clamp(maxRead, 512, Libnfs.MaxTransfer));
    }

    async Task<byte[]> GetRootAsync(Deadline deadline, CancellationToken cancellation)
    {
        GetRootCall call = new(_protocol);
        NfsStatus status = await CallAsync(call, deadline, cancellation);
        return status switch
        {
            NfsStatus.Ok => call.Reply.Handle,
            NfsStatus.MinorVersionMismatch => throw new SourceException(SourceFault.Misconfigured, $"{Identity}: the server does not speak NFS version 4.0; enable it there, or give ?version=3."),
            _ => throw NoRoot(status),
        };
    }

    /// <summary>
    /// The mount service of some servers takes any directory of an export, that of others the export itself only: the whole
    /// path first, then without its last components, which are looked up instead.
    /// </summary>
    async Task<(byte[] Handle, List<byte[]> Remaining)> MountExportAsync(Deadline deadline, CancellationToken cancellation)
    {
        RpcTarget target = new(_location.Server, MountCall.MountProgram, 3, _location.MountPort, _mapperPort);
        using RpcConnection service = new(target, _options.RequestTimeout, answeredBefore: _rootFileId is not null);
        List<byte[]> components = NfsLocation.Split(_location.Path);
        NfsStatus first = NfsStatus.Ok;
        for (int used = components.Count; used >= Math.Min(1, components.Count); used--)
        {
            MountCall call = new(used == 0 ? "/"u8.ToArray() : [.. components.Take(used).SelectMany(c => (byte[])[(byte)'/', .. c])]);
            await SendAsync(service, call, deadline, cancellation);
            if (call.Status == NfsStatus.Ok)
            {
                if (!call.AllowsAuthSys) throw NoRoot(NfsStatus.WrongSecurity);
                return (call.Handle, components[used..]);
            }
            if (first == NfsStatus.Ok || call.Status.IsDenied()) first = call.Status;
        }
        if (!first.IsDenied()) throw NoRoot(first);
        // Servers refuse what they do not export in the same way as what they export to others.
        ExportsCall exports = new();
        await SendAsync(service, exports, deadline, cancellation);
        throw exports.Paths.Exists(e => IsBelow(components, NfsLocation.Split(e))) ? NoRoot(first) : NoExport(exports.Paths);
    }

    static bool IsBelow(List<byte[]> path, List<byte[]> export) =>
        path.Count >= export.Count && path.Zip(export).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));

    SourceException NoExport(List<byte[]> exports)
    {
        const int Shown = 5;
        string names = string.Join(", ", exports.Take(Shown).Select(e => Printable(e))) + (exports.Count > Shown ? ", …" : "");
        return new SourceException(SourceFault.Misconfigured, $"{Identity}: the server exports no such directory; it exports {(exports.Count == 0 ? "nothing to this machine" : names)}.");
    }

    SourceException NoRoot(NfsStatus status)
    {
        if (status == NfsStatus.WrongSecurity)
            return new SourceException(SourceFault.Denied, $"{Identity}: the export wants Kerberos; allow sec=sys for this machine on it.");
        if (status.IsDenied())
            return new SourceException(SourceFault.Denied, $"{Identity}: access denied; export it to this machine (and to ports above 1023, 'insecure', unless this runs as root).");
        if (status.IsGone())
            return new SourceException(SourceFault.Misconfigured, $"{Identity}: the server exports no such directory; see 'showmount -e {_location.Server}', and mind that version 4 may have paths of its own.");
        return Fault(status, "finding the export", []);
    }

    /// <summary>Walks a key's components. Never through a symlink: version 3 and 4 refuse to look up below one.</summary>
    /// <param name="key">Not empty.</param>
    /// <param name="fresh">Do not use what is remembered of the path.</param>
    public async ValueTask<NfsFound> ResolveAsync(byte[] key, bool fresh, Deadline deadline, CancellationToken cancellation)
    {
        NfsRoot root = await RootAsync(deadline, cancellation);
        for (bool mounted = false; ;)
        {
            (NfsFound found, bool atRoot) = await WalkAsync(root, key, fresh, deadline, cancellation);
            if (!found.Status.IsStale() || !atRoot || mounted) return found;
            root = await MountAsync(root, deadline, cancellation);
            mounted = true;
        }
    }

    async ValueTask<(NfsFound Found, bool AtRoot)> WalkAsync(NfsRoot root, byte[] key, bool fresh, Deadline deadline, CancellationToken cancellation)
    {
        byte[] handle = root.Handle;
        int start = 0;
        if (!fresh)
        {
            for (int slash = key.AsSpan().LastIndexOf((byte)'/'); slash > 0; slash = key.AsSpan(0, slash).LastIndexOf((byte)'/'))
            {
                if (!Handles.TryGet(key.AsSpan(0, slash), out byte[] known)) continue;
                handle = known;
                start = slash + 1;
                break;
            }
        }
        while (true)
        {
            int length = key.AsSpan(start).IndexOf((byte)'/');
            int end = length < 0 ? key.Length : start + length;
            LookupCall lookup = new(_protocol, handle, key.AsMemory(start, end - start));
            NfsStatus status = await CallAsync(lookup, deadline, cancellation);
            if (status != NfsStatus.Ok) return (new NfsFound(status, [], default), start == 0);
            handle = lookup.Reply.Handle;
            if (end == key.Length)
            {
                NfsAttributes attributes = lookup.Reply.Attributes ?? await AttributesAsync(handle, key, deadline, cancellation);
                return (new NfsFound(NfsStatus.Ok, handle, attributes), false);
            }
            Handles.Set(key.AsSpan(0, end), handle);
            start = end + 1;
        }
    }

    /// <summary>For servers that leave out what they may leave out.</summary>
    /// <exception cref="SourceException">Also Changed, when the handle is stale.</exception>
    public async ValueTask<NfsAttributes> AttributesAsync(byte[] handle, byte[] key, Deadline deadline, CancellationToken cancellation)
    {
        GetAttributesCall call = new(_protocol, handle);
        NfsStatus status = await CallAsync(call, deadline, cancellation);
        if (status.IsStale()) throw Changed(key);
        if (status != NfsStatus.Ok) throw Fault(status, "looking at its attributes", key);
        return call.Reply.Attributes
            ?? throw new SourceException(SourceFault.Misconfigured, $"{Identity}: the server tells no file ids or change times, without which a changed file cannot be told from an unchanged one.");
    }

    public SourceException Changed(byte[] key) =>
        new(SourceFault.Changed, $"{Display(key)} changed or vanished since it was listed; refresh the snapshot.");

    public SourceException Fault(NfsStatus status, string doing, byte[] key) => status.IsDenied()
        ? new SourceException(SourceFault.Denied, $"{Display(key)}: permission denied; the server sees user {ProcessIdentity.User} (root may count as nobody there: root_squash).")
        : new SourceException(SourceFault.Unavailable, $"{Display(key)}: {doing} failed on the server: {Name(status)}.");

    static string Name(NfsStatus status) => Enum.IsDefined(status) ? status.ToString() : ((uint)status).ToString(CultureInfo.InvariantCulture);

    /// <summary>A place to show: what is not UTF-8 or not printable becomes '?'.</summary>
    public string Display(byte[] key)
    {
        if (key.Length == 0) return Identity;
        return $"{Printable(key)} in {Identity}";
    }

    static string Printable(byte[] text) => string.Concat(Encoding.UTF8.GetString(text).Select(c => char.IsControl(c) || c == '\uFFFD' ? '?' : c));
}
