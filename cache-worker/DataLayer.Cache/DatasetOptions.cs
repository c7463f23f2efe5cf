using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>Options of a dataset in a block store.</summary>
public sealed record DatasetOptions
{
    /// <summary>Stable name of the dataset, the same across its snapshots: space is accounted to it.</summary>
    public required string Name { get; init; }
    /// <summary>Share of the cache among the active datasets.</summary>
    public double Weight { get; init; } = 1;
    /// <summary>
    /// Counts as idle, and gives way first, when nothing was read through its reader for this long. Null: in use as long as the reader
    /// is open, as behind a mount, whose warm reads the kernel answers.
    /// </summary>
    public TimeSpan? IdleAfter { get; init; }
    /// <summary>A read that cannot be answered within this time fails.</summary>
    public TimeSpan ReadDeadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The snapshot that is read, where its worker must know.</summary>
    internal SnapshotId? Snapshot { get; init; }

    internal void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Name);
        if (!(Weight > 0) || double.IsInfinity(Weight)) throw new ArgumentException($"weight {Weight} of dataset {Name}: must be positive and finite");
        if (ReadDeadline <= TimeSpan.Zero) throw new ArgumentException($"read deadline {ReadDeadline} of dataset {Name}: must be positive");
    }
}
