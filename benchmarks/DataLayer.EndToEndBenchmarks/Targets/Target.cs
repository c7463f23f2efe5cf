using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>A place where a data set can be read through the kernel: a directory, or a mount of the S3 server.</summary>
internal abstract class Target : IAsyncDisposable
{
    internal abstract string Name { get; }

    /// <summary>Whether it fetches from the S3 server: only such a target has a cold epoch.</summary>
    internal virtual bool HasSource => false;

    /// <summary>A peer takes minutes and is measured less often.</summary>
    internal virtual bool IsPeer => false;

    /// <summary>The process that serves the mount, while there is one.</summary>
    internal virtual ProcessProbe? Probe => null;

    /// <summary>The directory that holds the files; valid after <see cref="Open"/>.</summary>
    internal string Root { get; private protected set; } = "";

    /// <summary>Makes the data set readable below <see cref="Root"/>, with an empty cache.</summary>
    /// <param name="cacheBytes">What a cache may hold.</param>
    internal abstract Task Open(Dataset dataset, long cacheBytes, CancellationToken cancellation);

    /// <summary>Bytes that its cache directory takes on disk; 0 without a cache.</summary>
    internal virtual long CachedBytes => 0;

    /// <summary>Undoes <see cref="Open"/> and removes the cache.</summary>
    internal abstract Task Close();

    public async ValueTask DisposeAsync() => await Close();
}
