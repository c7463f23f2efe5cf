namespace DataLayer.Cache;

/// <summary>What a dataset may take of one store, and what others may take from it. The default limits nothing and gives way like any other.</summary>
public sealed record DatasetPolicy
{
    public static DatasetPolicy Default { get; } = new();

    /// <summary>Most bytes on this store, whoever reads them; null for no limit. Hard: what is over it is evicted at once.</summary>
    public long? Quota { get; init; }

    /// <summary>A dataset takes space from those of lower priority that are in use, whatever their share; never from a higher one in use.</summary>
    public int Priority { get; init; }

    /// <summary>Keeps what it has, in use or not, and takes space from all that are not pinned up to this many bytes; 0: not pinned.</summary>
    public long PinnedBytes { get; init; }

    internal bool IsPinned => PinnedBytes > 0;

    /// <summary>Why this policy cannot be kept on a store of this capacity on which others have pinned some of it; null when it can.</summary>
    internal string? Refusal(string dataset, long capacity, long pinnedByOthers)
    {
        if (Quota < 0) return $"dataset {dataset}: a quota of {Quota} bytes is none";
        if (PinnedBytes < 0) return $"dataset {dataset}: {PinnedBytes} bytes cannot be pinned";
        if (PinnedBytes > Quota) return $"dataset {dataset}: pinning {PinnedBytes} bytes is more than its quota of {Quota} here; raise the quota or pin less";
        return PinnedBytes > capacity - pinnedByOthers
            ? $"dataset {dataset}: pinning {PinnedBytes} bytes is more than the {Math.Max(0, capacity - pinnedByOthers)} bytes of the store that are not pinned yet; pin less or unpin others"
            : null;
    }
}
