using DataLayer.Cache;
using DataLayer.Fuse;
using DataLayer.FuseFs.CommandLine;
using DataLayer.Sources;

namespace DataLayer.FuseFs;

/// <summary>Everything a mount is started with. <see cref="Validate"/> is called once, before anything is opened.</summary>
sealed record MountOptions
{
    public required IReadOnlyList<SourceArgument> Sources { get; init; }
    public required string MountPoint { get; init; }
    public required string CacheDirectory { get; init; }

    /// <summary>Hard limit of the cache, bytes.</summary>
    public long CacheSize { get; init; } = 20L << 30;
    public SourceOptions SourceOptions { get; init; } = new();

    /// <summary>The cluster's workers and the dataset to mount from them, instead of sources.</summary>
    public ClusterOptions? Cluster { get; init; }

    /// <summary>Mount this manifest instead of listing the sources.</summary>
    public string? SnapshotFile { get; init; }

    /// <summary>List again this often and follow; null pins the snapshot.</summary>
    public TimeSpan? Refresh { get; init; }
    public TimeSpan ReadDeadline { get; init; } = TimeSpan.FromSeconds(60);
    public AttributeOptions Attributes { get; init; } = new();

    public OpenMode OpenMode { get; init; }

    /// <summary>Serve the virtual user.datalayer.* attributes.</summary>
    public bool Xattr { get; init; }

    /// <summary>HOST:PORT of the Prometheus endpoint.</summary>
    public string? Metrics { get; init; }
    public FuseOptions Fuse { get; init; } = new();

    // Shorter refreshes spend more on listing than they can find: a listing of a million keys takes seconds.
    static readonly TimeSpan ShortestRefresh = TimeSpan.FromSeconds(1);

    /// <exception cref="UserException">One line that names the option and what it takes.</exception>
    public void Validate()
    {
        if (CacheSize < 64 << 20) throw new UserException($"--cache-size {Values.Size(CacheSize)} is too small: give at least 64MiB, two packs.");
        if (Refresh is { } refresh && refresh < ShortestRefresh) throw new UserException("--refresh must be at least 1s.");
        if (Refresh is not null && SnapshotFile is not null) throw new UserException("--refresh follows the sources and --snapshot pins a file: give one of them.");
        if (ReadDeadline <= TimeSpan.Zero) throw new UserException("--read-deadline must be positive.");
        if (Cluster is not null && (SnapshotFile is not null || Refresh is not null))
            throw new UserException("--snapshot and --refresh are for sources; with --worker the worker has the snapshot.");
        if (Metrics is not null) MetricsServer.ParseEndpoint(Metrics);
    }
}

/// <summary>What replaces the source's owner and permissions; null keeps them.</summary>
sealed record AttributeOptions
{
    public uint? Uid { get; init; }
    public uint? Gid { get; init; }
    public int? FileMode { get; init; }
    public int? DirectoryMode { get; init; }
}
