namespace DataLayer.Cache;

/// <summary>How a mount finds its workers.</summary>
public sealed record ClusterOptions
{
    public required string Dataset { get; init; }

    /// <summary>In the order they are asked: paths of unix sockets, or https://host:port.</summary>
    public required IReadOnlyList<string> Workers { get; init; }

    /// <summary>Certificates of the workers' authority, PEM; null when a worker on a unix socket tells them.</summary>
    public string? AuthorityFile { get; init; }

    /// <summary>A token from `dl-worker token`, read again when it changes; null when a worker on a unix socket mints them.</summary>
    public string? TokenFile { get; init; }

    public Action<string> Warn { get; init; } = static _ => { };

    internal PeerTiming Timing { get; init; } = new();
}
