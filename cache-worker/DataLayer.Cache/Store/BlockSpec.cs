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
    /// A pack is admitted whole. A large file is admitted in steps of this many bytes, or one that is larger than the
    /// cache could never be in it: 16 MiB is little against any cache and few questions for any file.
    /// </summary>
    public const int StepLength = 16 << 20;

    public const int UnitsPerStep = StepLength / FileLocation.LargeUnit;

    /// <summary>Steps of a large file.</summary>
    public int Steps => (Units + UnitsPerStep - 1) / UnitsPerStep;

    /// <summary>
    /// Bytes of disk to count when a block file is admitted, the most that it may come to take, so that filling it can
    /// never pass the limit: whole file system blocks of data (packs) and sidecar, and for the extent tree one block
    /// (4 KiB) plus another for each 340 units, which is what ext4 fits in a tree block when every unit is an extent of its own.
    /// </summary>
    public long AdmittedBytes => (IsPack ? Round(Length) : 0) + Round(Sidecar.FileLength(Units)) + Block * (1 + Units / 340);

    /// <summary>Bytes of disk to count for one more step of a large file.</summary>
    public long StepBytes(int step) => Round(StepLengthOf(step));

    /// <summary>Bytes of the file in a step.</summary>
    public long StepLengthOf(int step) => Math.Min(StepLength, Length - (long)step * StepLength);

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
