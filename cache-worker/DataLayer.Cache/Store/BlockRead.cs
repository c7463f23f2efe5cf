namespace DataLayer.Cache;

/// <summary>How a read of a unit ended.</summary>
internal enum BlockRead
{
    Copied,

    /// <summary>Not there, or not what its checksum says: a miss.</summary>
    Absent,

    /// <summary>There, but not in memory; reading it would block.</summary>
    OnDisk,
}
