namespace DataLayer.ClusterSimulation;

/// <summary>A link that sends one block after the other, in the order they were asked for.</summary>
internal struct Link(double rate)
{
    double _free;

    /// <summary>Blocks sent so far.</summary>
    public long Sent { get; private set; }

    /// <summary>Sends one block, not before <paramref name="from"/>; returns when its last byte is through.</summary>
    public double Send(double from)
    {
        _free = Math.Max(_free, from) + 1 / rate;
        Sent++;
        return _free;
    }
}
