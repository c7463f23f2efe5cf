namespace DataLayer.FuseFs.Holding;

/// <summary>What a holder is started with.</summary>
sealed record HoldPlan
{
    public required MountOptions Options { get; init; }

    /// <summary>Of `mount`, for the processes that serve: each reads them by its own version.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }
    public required IReadOnlyList<string> Program { get; init; }

    /// <summary>What serving processes have as oom_score_adj.</summary>
    public int OomScore { get; init; }

    /// <summary>Called once, when the mount is usable.</summary>
    public Action Announced { get; init; } = static () => { };

    public bool Standby => Options.Hold!.Standby;
}
