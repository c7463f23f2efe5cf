namespace DataLayer.Cache;

/// <summary>One dataset in the books of a <see cref="SpaceLedger"/>, and under its lock.</summary>
internal sealed class DatasetSpace(DatasetTag tag)
{
    public readonly DatasetTag Tag = tag;
    public readonly List<int> Rows = [];
    public readonly List<Registration> Registrations = [];
    public DatasetPolicy Policy = DatasetPolicy.Default;
    public long Bytes;

    /// <summary>Of block files that are evicted but still held.</summary>
    public long Doomed;

    public DateTime LastUse;

    /// <summary>Whether somebody uses it, as of the last look.</summary>
    public bool IsActive { get; private set; }

    public double Weight { get; private set; }

    public bool IsRegistered => Registrations.Count > 0;

    public bool IsPinned => Policy.IsPinned;

    /// <summary>Bytes it has beyond its quota once it got some more; not positive when it may have them.</summary>
    public long Over(long more) => Policy.Quota is { } quota ? Bytes + Doomed + more - quota : long.MinValue;

    /// <summary>Whoever asks for space uses the dataset, though nothing has been read yet.</summary>
    public void Asks(DateTime now)
    {
        foreach (Registration registration in Registrations) registration.Use(now);
    }

    /// <summary>Looks which registrations read anything lately.</summary>
    public void Look(DateTime now)
    {
        (IsActive, Weight) = (false, 0);
        foreach (Registration registration in Registrations)
        {
            if (!registration.IsInUse(now, out DateTime lastUse)) continue;
            if (registration.IdleAfter != null && lastUse > LastUse) LastUse = lastUse;
            IsActive = true;
            Weight = Math.Max(Weight, registration.Weight);
        }
    }
}
