namespace DataLayer.Fuse;

/// <summary>
/// What INIT settled, the only state a connection's protocol has. Plain values: a process that hands its descriptors to
/// another one hands this over as well, because INIT happens once per connection.
/// </summary>
/// <param name="KernelMinor">What the kernel offered.</param>
/// <param name="Minor">What both speak.</param>
/// <param name="Features">What both use.</param>
/// <param name="MaxRead">Most bytes of one READ.</param>
/// <param name="MaxReadAhead">Bytes, as the kernel offered it.</param>
public sealed record FuseNegotiation(int KernelMinor, int Minor, FuseFeatures Features, int MaxRead, int MaxReadAhead)
{
    /// <summary>7.31, Linux 5.4: the oldest kernel in long-term use.</summary>
    public const int OldestMinor = 31;

    /// <summary>7.45, Linux 6.18.</summary>
    public const int NewestMinor = 45;

    public bool Has(FuseFeatures feature) => (Features & feature) == feature;

    /// <summary>FUSE_NOTIFY_INC_EPOCH.</summary>
    public bool HasEpoch => Minor >= 44;
}
