using System.Diagnostics;
using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Fuse;
using DataLayer.FuseFs.CommandLine;
using DataLayer.FuseFs.Control;

namespace DataLayer.FuseFs;

/// <summary>
/// One running mount: opens sources, cache and snapshot, serves the kernel, and takes everything down again in the reverse
/// order. Stops on <see cref="RequestStop"/>, on an unmount from outside, or when the connection is aborted.
/// </summary>
sealed class MountSession : IAsyncDisposable
{
    // How long an unmount waits for the last open file before the connection is cut: longer than a checkpoint save or a
    // shell's cd away, shorter than the 30 s that Kubernetes grants a pod by default.
    static readonly TimeSpan UnmountGrace = TimeSpan.FromSeconds(20);

    // Reads that wait for a source at once. Each holds a payload of at most 1 MiB.
    const int WaitingReads = 32;

    // The store counts files. Its 256 folders, of one disk block each until they hold thousands of names, come out of the
    // limit that the user gave.
    const long FolderSpace = 2 << 20;

    // A worker that lists millions of keys for the first time takes minutes.
    static readonly TimeSpan FirstListing = TimeSpan.FromMinutes(10);

    readonly MountOptions options;
    readonly Stopwatch uptime = Stopwatch.StartNew();
    readonly CancellationTokenSource stopping = new();
    readonly List<IAsyncDisposable> owned = []; // in the order they were opened
    SourceSet sources = null!;
    ClusterClient? cluster;
    BlockStore store = null!;
    DatasetFileSystem fileSystem = null!;
    FuseConnection connection = null!;
    SnapshotFolder? snapshotFolder;
    string dataset = "";
    Task refreshing = Task.CompletedTask;
    int generation;
    long refreshFailures;
    int stopRequests;

    MountSession(MountOptions options) => this.options = options;

    /// <summary>Completes when the mount is gone, whatever ended it.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>"20,000 files, 2.10 GiB, snapshot 0123456789ab".</summary>
    public string Description
    {
        get
        {
            Manifest manifest = fileSystem.Current.Manifest;
            return $"{manifest.FileCount:N0} files, {Values.Size(manifest.TotalBytes)}, snapshot {manifest.Id.ToString()[..12]},";
        }
    }

    /// <summary>Returns once the mount point serves reads.</summary>
    /// <exception cref="UserException">And the faults that Program turns into one line.</exception>
    public static async Task<MountSession> StartAsync(MountOptions options, CancellationToken cancellation)
    {
        MountSession session = new(options);
        try
        {
            await session.OpenAsync(cancellation);
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    async Task OpenAsync(CancellationToken cancellation)
    {
        PrepareMountPoint();
        if (options.Cluster is { } workers)
        {
            cluster = Own(await ClusterClient.OpenAsync(workers with { Warn = Log.Warn }, cancellation));
            store = Own(await cluster.OpenStoreAsync(cancellation));
        }
        else
        {
            sources = Own(SourceSet.Open(options.Sources, options.SourceOptions));
            store = Own(await BlockStore.OpenAsync(
                new BlockStoreOptions { Directory = options.CacheDirectory, Capacity = options.CacheSize - FolderSpace, Warn = Log.Warn }, cancellation));
        }
        Manifest manifest = await OpenManifestAsync(cancellation);
        MountedSnapshot first = Mounted(manifest, options.SnapshotFile is { } file ? File.GetLastWriteTimeUtc(file) : DateTime.UtcNow);
        OpenMode mode = OpenModes.Choose(options.OpenMode, manifest);
        fileSystem = new DatasetFileSystem(
            first, new AttributeView(options.Attributes), options.Xattr, mode == OpenMode.Passthrough ? new OpenFiles() : null, options.Refresh is not null, WaitingReads);
        connection = FuseConnection.Mount(options.MountPoint, fileSystem, options.Fuse with
        {
            Source = options.Cluster?.Dataset ?? options.Sources[0].Uri,
            PayloadPoolSize = WaitingReads * options.Fuse.MaxRead,
            Log = static (level, line) => { if (level == FuseLogLevel.Information) Log.Debug(line); else Log.Warn(line); },
        });
        Ended = EndAsync();
        if (options.OpenMode == OpenMode.Passthrough && fileSystem.OpenFiles is null)
            Log.Warn("--open-mode passthrough needs root and Linux 6.9 or newer: files are read through the page cache instead");
        Own(new ControlServer(connection.ConnectionId, Stats, new WarmUp(fileSystem).RunAsync));
        if (options.Metrics is { } endpoint) Own(new MetricsServer(endpoint, Stats));
        if (options.Refresh is { } interval) refreshing = RefreshAsync(interval);
    }

    T Own<T>(T opened) where T : IAsyncDisposable
    {
        owned.Add(opened);
        return opened;
    }

    void PrepareMountPoint()
    {
        if (FuseMountPoint.RecoverStale(options.MountPoint)) Log.Info($"{options.MountPoint}: detached what a crashed mount had left");
        if (File.Exists(options.MountPoint)) throw new UserException($"{options.MountPoint} is a file: give a directory to mount at.");
        Directory.CreateDirectory(options.MountPoint);
        if (options.CacheDirectory.StartsWith(options.MountPoint + "/", StringComparison.Ordinal))
            throw new UserException($"--cache-dir {options.CacheDirectory} lies below the mount point: choose a directory outside it.");
    }

    async Task<Manifest> OpenManifestAsync(CancellationToken cancellation)
    {
        if (cluster is not null)
        {
            dataset = cluster.Dataset;
            snapshotFolder = OpenFolder();
            SnapshotId id = await cluster.FindCurrentAsync(FirstListing, cancellation);
            return snapshotFolder.TryOpen(id) ?? await snapshotFolder.AddAsync(id, (destination, token) => cluster.CopyManifestAsync(id, destination, token), cancellation);
        }

        if (options.SnapshotFile is { } file)
        {
            Manifest manifest = Manifest.Open(file);
            _ = sources.InOrderOf(manifest, file);
            dataset = SnapshotFolder.NameOf(manifest.Sources);
            return manifest;
        }

        dataset = SnapshotFolder.NameOf(sources.Joined.Select(joined => new ManifestSource(joined.Source.Identity, joined.SubPath)));
        snapshotFolder = OpenFolder();
        return await Terminal.CountAsync("listing", entries => snapshotFolder.TakeAsync(sources.Joined, entries, cancellation));
    }

    SnapshotFolder OpenFolder()
    {
        try
        {
            return new SnapshotFolder(options.CacheDirectory, dataset, Log.Warn);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            string temporary = Directory.CreateTempSubdirectory("dl-fuse-").FullName;
            owned.Add(new TemporaryDirectory(temporary));
            Log.Warn($"{options.CacheDirectory}: {fault.Message}; the snapshot is kept in {temporary} and gone after the mount");
            return new SnapshotFolder(temporary, dataset, Log.Warn);
        }
    }

    MountedSnapshot Mounted(Manifest manifest, DateTime takenUtc)
    {
        DatasetOptions datasetOptions = new() { Name = dataset, ReadDeadline = options.ReadDeadline };
        DatasetReader reader = cluster is not null
            ? cluster.OpenReader(store, manifest, datasetOptions)
            : new DatasetReader(store, manifest, sources.InOrderOf(manifest, "the snapshot"), datasetOptions);
        return new MountedSnapshot(manifest, reader) { TakenUtc = takenUtc, Generation = generation++ };
    }

    async Task RefreshAsync(TimeSpan interval)
    {
        using PeriodicTimer timer = new(interval);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping.Token)) await RefreshOnceAsync(stopping.Token);
        }
        catch (OperationCanceledException)
        {
            Log.Debug("refreshing stopped");
        }
    }

    async Task RefreshOnceAsync(CancellationToken cancellation)
    {
        try
        {
            DateTime begun = DateTime.UtcNow;
            Manifest manifest = await snapshotFolder!.TakeAsync(sources.Joined, null, cancellation);
            MountedSnapshot before = fileSystem.Current;
            if (manifest.Id == before.Manifest.Id)
            {
                manifest.Dispose();
                before.TakenUtc = begun;
                return;
            }

            MountedSnapshot next = Mounted(manifest, begun);
            fileSystem.Switch(next);
            KernelCaches.Invalidate(connection, before.Manifest, manifest);
            Log.Info($"now serving snapshot {manifest.Id.ToString()[..12]}: {manifest.FileCount:N0} files, {Values.Size(manifest.TotalBytes)}");
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            Interlocked.Increment(ref refreshFailures);
            Log.Warn($"refresh failed, still serving the snapshot of {fileSystem.Current.TakenUtc:u}: {fault.Message}");
        }
    }

    MountStats Stats()
    {
        MountedSnapshot current = fileSystem.Current;
        ReadCounters read = current.Reader.Counters;
        FuseStatistics fuse = connection.Statistics();
        Dictionary<string, long> requests = [];
        for (int opcode = 0; opcode < fuse.Requests.Count; opcode++)
            if (fuse.Requests[opcode] > 0) requests[((FuseOpcode)opcode).ToString().ToLowerInvariant()] = fuse.Requests[opcode];
        return new MountStats
        {
            Snapshot = current.Manifest.Id.ToString(),
            SnapshotAgeSeconds = (DateTime.UtcNow - current.TakenUtc).TotalSeconds,
            Sources = current.Manifest.Sources.Select(source => source.SubPath.Length == 0 ? source.Identity : $"{source.Identity}={source.SubPath}").ToArray(),
            Files = current.Manifest.FileCount,
            DatasetBytes = current.Manifest.TotalBytes,
            Hits = read.Hits,
            Misses = read.Misses,
            BytesFromCache = read.BytesFromCache,
            BytesFromSource = read.BytesFromSource,
            SourceReads = read.SourceReads,
            SourceErrors = read.SourceErrors,
            StaleFiles = read.Stale,
            CacheUsedBytes = store.Space.Used,
            CacheCapacityBytes = store.Space.Capacity,
            RefreshFailures = Interlocked.Read(ref refreshFailures),
            Transport = connection.Transport.ToString(),
            OpenMode = fileSystem.OpenFiles is null ? "none" : "passthrough",
            PassthroughFiles = fileSystem.OpenFiles?.PassthroughCount ?? 0,
            Requests = requests,
            Pid = Environment.ProcessId,
            UptimeSeconds = uptime.Elapsed.TotalSeconds,
        };
    }

    /// <summary>Unmounts once nobody uses the mount any more, or after a grace time; asked a second time, at once.</summary>
    public void RequestStop()
    {
        if (Interlocked.Increment(ref stopRequests) == 1) _ = Task.Run(StopAsync);
        else connection.Abort();
    }

    async Task StopAsync()
    {
        try
        {
            connection.Unmount();
            if (await Task.WhenAny(connection.Completion, Task.Delay(UnmountGrace)) == connection.Completion) return;
            Log.Warn($"{options.MountPoint} was still in use {UnmountGrace.TotalSeconds:0} s after the unmount: cutting its readers off");
            connection.Abort();
        }
        catch (Exception fault)
        {
            Log.Warn($"unmounting {options.MountPoint}: {fault.Message}");
            connection.Abort();
        }
    }

    async Task EndAsync()
    {
        await connection.Completion;
        await stopping.CancelAsync();
        await refreshing;
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        if (connection is not null)
        {
            connection.Dispose();
            await Ended;
        }

        // The reader goes before the store and the sources it reads through.
        if (fileSystem is not null) await fileSystem.CloseAsync();
        for (int i = owned.Count - 1; i >= 0; i--) await owned[i].DisposeAsync();
        stopping.Dispose();
    }

    sealed class TemporaryDirectory(string path) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            Directory.Delete(path, recursive: true);
            return ValueTask.CompletedTask;
        }
    }
}
