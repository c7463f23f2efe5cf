namespace DataLayer.Formats.Tabular;

/// <summary>
/// A file that is read by range: a local file, an object in a bucket, blocks of a cache. Several reads may be under way
/// at once. The bytes must not change while a reader is open: sources answer a changed file with their own error.
/// </summary>
public interface IRandomAccess
{
    /// <summary>Named in every error about this file.</summary>
    string Name { get; }

    /// <summary>Bytes.</summary>
    long Length { get; }

    /// <summary>
    /// Fills all of <paramref name="destination"/> from <paramref name="offset"/>; callers stay within
    /// <see cref="Length"/>. A file that ends earlier than it said is an <see cref="EndOfStreamException"/>.
    /// </summary>
    ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel);
}
