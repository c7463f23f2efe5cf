namespace DataLayer.Cache;

/// <summary>Who is in the cluster, as far as this process knows. Safe for concurrent use.</summary>
public interface IMembership
{
    /// <summary>The last membership known; costs a field read. Hold on to one map for as long as its ordinals are used.</summary>
    PlacementMap Current { get; }
}
