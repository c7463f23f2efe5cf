namespace DataLayer.Formats;

/// <summary>How a snapshot is built.</summary>
public sealed record ManifestBuildOptions
{
    /// <summary>Layout to use; null takes that of <see cref="Previous"/>, or the defaults without one.</summary>
    public LayoutParameters? Layout { get; init; }

    /// <summary>Path of the dataset's manifest so far, whose layout is inherited; null for a first snapshot.</summary>
    public string? Previous { get; init; }

    /// <summary>
    /// Bytes of memory that sorting may use; what is more goes to temporary files beside the output. Three million files
    /// took the same processor time with anything from 16 to 512 MiB; 64 MiB sort 10 million in about 40 runs.
    /// </summary>
    public long MemoryBudget { get; init; } = 64 << 20;

    /// <summary>
    /// Keys left out that are kept in the manifest's report; beyond it they are only counted. A bucket of nothing but
    /// hostile keys must not make a manifest that is larger than its tree.
    /// </summary>
    public long ReportLimit { get; init; } = 1_000_000;

    /// <summary>Leading bits of a node id that are used; fewer than 64 only in tests, to force collisions.</summary>
    internal int NodeIdBits { get; init; } = 64;

    internal void Validate()
    {
        Layout?.Validate();
        if (MemoryBudget < 1 << 16) throw new ArgumentException($"MemoryBudget is {MemoryBudget}; it must be at least {1 << 16} bytes.");
        if (ReportLimit < 0) throw new ArgumentException($"ReportLimit is {ReportLimit}; it must not be negative.");
    }
}
