namespace DataLayer.Formats;

/// <summary>
/// How files become blocks. Part of every manifest and inherited by its successors, so that an upgrade of the defaults
/// does not give every block of a cluster a new id.
/// </summary>
public sealed record LayoutParameters
{
    /// <summary>Files up to this size (bytes) are packed.</summary>
    public long PackThreshold { get; init; } = 1 << 20;

    /// <summary>Mean bytes of a pack.</summary>
    public long PackTarget { get; init; } = 8 << 20;

    /// <summary>
    /// A pack never exceeds this (bytes). Four times the target: a run between two natural boundaries that is longer than
    /// twice this limit, where an edit could change three packs, is met by 9·e⁻⁸ = 0.3% of edits.
    /// </summary>
    public long PackLimit { get; init; } = 32 << 20;

    /// <summary>Bytes of one slice of a large file; a multiple of <see cref="FileLocation.LargeUnit"/>.</summary>
    public long SliceSize { get; init; } = 64 << 20;

    // Offsets in a pack and its length are 32-bit in places (file offsets of one write, unit tables of a block store).
    const long LargestPack = 1 << 30;

    /// <exception cref="ArgumentException">Names the parameter that is out of range, and the range.</exception>
    internal void Validate()
    {
        if (PackTarget is < 1 or > LargestPack)
            throw new ArgumentException($"PackTarget is {PackTarget}; it must lie between 1 and {LargestPack} bytes.");
        if (PackLimit < PackTarget || PackLimit > LargestPack)
            throw new ArgumentException($"PackLimit is {PackLimit}; it must lie between PackTarget ({PackTarget}) and {LargestPack} bytes.");
        if (PackThreshold < 0 || PackThreshold > PackLimit - PackBoundaries.FileOverhead)
            throw new ArgumentException($"PackThreshold is {PackThreshold}; it must lie between 0 and PackLimit - {PackBoundaries.FileOverhead} ({PackLimit - PackBoundaries.FileOverhead}) bytes.");
        if (SliceSize < FileLocation.LargeUnit || SliceSize % FileLocation.LargeUnit != 0)
            throw new ArgumentException($"SliceSize is {SliceSize}; it must be a positive multiple of {FileLocation.LargeUnit} bytes.");
    }
}
