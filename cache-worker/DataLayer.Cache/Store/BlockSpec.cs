using DataLayer.Formats;

namespace DataLayer.Cache;

/// <summary>What a block file is: known from the manifest alone, and checked against the sidecar whenever it is opened.</summary>
/// <param name="Length">Bytes of the whole block file.</param>
/// <param name="Units">Its units: files of the pack, or MiB of the large file.</param>
internal readonly record struct BlockSpec(BlockFileId Id, bool IsPack, long Length, int Units)
{
    /// <summary>Longest pack: its unit positions are 32-bit in the sidecar.</summary>
    public const long MaxPackLength = uint.MaxValue;

    public static BlockSpec Large(in FileLocation file) => new(file.BlockFile, false, file.Length, UnitsOf(file.Length));

    public static int UnitsOf(long length) => checked((int)((length + FileLocation.LargeUnit - 1) / FileLocation.LargeUnit));

    /// <summary>
    /// Bytes of disk that the block file may come to take, data and sidecar: whole file system blocks, and for the extent
    /// tree one block (4 KiB) plus another for each 340 units, which is what ext4 fits in a tree block when every unit is
    /// an extent of its own. Counted in full when a block is admitted, so that filling it can never pass the limit.
    /// </summary>
    public long DiskBytes => Round(Length) + Round(Sidecar.FileLength(Units)) + Block * (1 + Units / 340);

    const long Block = 4096;
    static long Round(long bytes) => (bytes + Block - 1) / Block * Block;
}

/// <summary>One run of bytes with one presence and one checksum.</summary>
/// <param name="Index">Ordinal within the block file.</param>
/// <param name="Start">Byte offset within the block file.</param>
internal readonly record struct Unit(int Index, long Start, int Length)
{
    /// <summary>The unit of a file that covers <paramref name="offset"/> (within the file).</summary>
    public static Unit At(in FileLocation file, long offset)
    {
        if (file.IsPacked) return new Unit(file.Unit, file.Offset, checked((int)file.Length));
        return OfLarge(file.Length, (int)(offset / FileLocation.LargeUnit));
    }

    public static Unit OfLarge(long fileLength, int index)
    {
        long start = (long)index * FileLocation.LargeUnit;
        return new Unit(index, start, (int)Math.Min(FileLocation.LargeUnit, fileLength - start));
    }
}
