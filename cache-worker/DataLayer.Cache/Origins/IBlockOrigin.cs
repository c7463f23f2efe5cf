using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>What is missing: a file of a pack, or adjacent units of a large file.</summary>
/// <param name="First">Ordinal of the first unit within the block file.</param>
/// <param name="Count">1 for a file of a pack.</param>
internal readonly record struct UnitRange(FileLocation File, int First, int Count)
{
    public Unit this[int index] => File.IsPacked ? Unit.At(File, 0) : Unit.OfLarge(File.Length, First + index);

    /// <summary>Of the first byte, within the file.</summary>
    public long FileOffset => File.IsPacked ? 0 : (long)First * FileLocation.LargeUnit;

    /// <summary>Bytes of all its units.</summary>
    public int Length
    {
        get
        {
            Unit last = this[Count - 1];
            return (int)(last.Start + last.Length - this[0].Start);
        }
    }

    /// <summary>The block that places it: the pack, or the slice of the first unit.</summary>
    /// <param name="sliceSize">Bytes, <see cref="LayoutParameters.SliceSize"/>.</param>
    public BlockId Block(long sliceSize) => File.IsPacked ? new BlockId(File.BlockFile.Value) : Recipe.Slice(File.BlockFile, FileOffset / sliceSize, sliceSize);
}

/// <summary>Who gave the bytes.</summary>
internal enum OriginKind
{
    Source,
    Peer,
}

/// <summary>
/// Where a <see cref="FetchQueue"/> gets the bytes of one snapshot that the store lacks: sources, or other workers.
/// Safe for concurrent use. What it gives is right: checked against the version at a source, against checksums from a peer.
/// </summary>
internal interface IBlockOrigin
{
    /// <summary>Fills <paramref name="destination"/> (exactly the range's length) or throws.</summary>
    /// <exception cref="SourceException">Nobody that was asked has the bytes.</exception>
    ValueTask<OriginKind> ReadAsync(UnitRange units, Memory<byte> destination, CancellationToken cancellation);
}

/// <summary>The sources themselves: what a single machine has, and a home worker.</summary>
internal sealed class SourceOrigin(IBlockLayout layout, IReadOnlyList<ISource> sources) : IBlockOrigin
{
    public async ValueTask<OriginKind> ReadAsync(UnitRange units, Memory<byte> destination, CancellationToken cancellation)
    {
        (int source, SourceFile file) = layout.GetSourceFile(units.File.Entry);
        await sources[source].ReadAsync(file, units.FileOffset, destination, cancellation);
        return OriginKind.Source;
    }
}
