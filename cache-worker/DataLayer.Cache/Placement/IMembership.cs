namespace DataLayer.Cache;

/// <summary>The workers there are; changes over time, so it is read once per operation.</summary>
public interface IMembership
{
    PlacementMap Current { get; }
}
