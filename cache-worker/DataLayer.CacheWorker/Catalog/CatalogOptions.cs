using DataLayer.Cache;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>What a process tells the catalog and how often.</summary>
internal sealed record CatalogOptions
{
    /// <summary>This worker, or null for a process that only looks.</summary>
    public WorkerNode? Self { get; init; }

    /// <summary>Version of the software, for people to see.</summary>
    public string Software { get; init; } = typeof(CatalogOptions).Assembly.GetName().Version?.ToString() ?? "0";

    /// <summary>Homes of each block.</summary>
    public int Copies { get; init; } = 1;

    /// <summary>A worker that speaks another protocol is left out of placement and named once in a warning.</summary>
    public Func<WorkerNode, bool> IsCompatible { get; init; } = static _ => true;

    /// <summary>
    /// Between two heartbeats: 1,000 workers make 500 small scripts a second, about a hundredth of what Redis does, and a location is
    /// at most this and one round trip old.
    /// </summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// A worker not heard of for this long is gone. Two heartbeats may be lost, one by the longest wait for an answer: readers do not
    /// depend on it, they go on to the next holder by themselves.
    /// </summary>
    public TimeSpan Expiry { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>One line each, for conditions an operator should know of.</summary>
    public Action<string> Warn { get; init; } = static _ => { };

    internal void Validate()
    {
        if (Heartbeat <= TimeSpan.Zero) throw new ArgumentException($"heartbeat {Heartbeat}: must be positive");
        if (Expiry < Heartbeat * 3) throw new ArgumentException($"expiry {Expiry}: at least three heartbeats ({Heartbeat} each)");
        ArgumentOutOfRangeException.ThrowIfLessThan(Copies, 1);
        if (Self != null && !WorkerRecord.IsSound(Self)) throw new ArgumentException($"worker \"{Self.Name}\": needs a name and an address without control characters, up to {WorkerRecord.LongestText} characters, and a capacity that is not negative");
    }
}
