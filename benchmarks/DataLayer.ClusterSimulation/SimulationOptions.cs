namespace DataLayer.ClusterSimulation;

/// <summary>The cluster, its datasets and a day's jobs. Sizes in blocks, rates in blocks per second.</summary>
internal sealed record SimulationOptions
{
    public int Nodes { get; init; } = 1000;
    public int Zones { get; init; } = 4;
    public int Copies { get; init; } = 1;

    /// <summary>
    /// A simulated block stands for 4 GiB of blocks that are read and kept together: a day of a cluster is then millions of reads,
    /// not hundreds of millions, and a store of 512 GiB still holds 128 of them.
    /// </summary>
    public const double GiBPerBlock = 4;

    /// <summary>Blocks that a node's store holds: 512 GiB, which makes the cluster's half of the data that the jobs use.</summary>
    public int Capacity { get; init; } = 128;

    public int Datasets { get; init; } = 200;

    /// <summary>Of the sizes: log-normal, 3 TiB in the middle, the mean twice that.</summary>
    public double MedianBlocks { get; init; } = 768;
    public double SizeSpread { get; init; } = 1.2;

    public int Jobs { get; init; } = 700;
    public TimeSpan Day { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How uneven datasets are in demand: the n-th is used in proportion to n to this power, negative.</summary>
    public double Popularity { get; init; } = 0.9;

    /// <summary>A node's own reading: 2 GB/s keep its accelerators busy.</summary>
    public double ReadRate { get; init; } = 2e9 / (GiBPerBlock * (1 << 30));

    /// <summary>25 Gbit/s each way.</summary>
    public double NodeLink { get; init; } = 3.125e9 / (GiBPerBlock * (1 << 30));

    /// <summary>400 Gbit/s for the source, and for the central cache that others would have.</summary>
    public double SourceLink { get; init; } = 50e9 / (GiBPerBlock * (1 << 30));

    /// <summary>A dataset that nobody read for this long gives way.</summary>
    public TimeSpan IdleAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Of every tenth dataset: most of its bytes in the whole cluster, as a part of its size; 0 for no quotas.</summary>
    public double Quota { get; init; }

    public int Seed { get; init; } = 1;
}
