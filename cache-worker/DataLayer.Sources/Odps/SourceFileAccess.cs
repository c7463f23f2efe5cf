using DataLayer.Formats;
using DataLayer.Formats.Tabular;

namespace DataLayer.Sources.Odps;

/// <summary>One version of a file of a source, for the readers of table formats. The source's faults pass through them unchanged.</summary>
sealed class SourceFileAccess(ISource source, SourceFile file, string name) : IRandomAccess
{
    public string Name => name;

    public long Length => file.Size;

    public ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel) => source.ReadAsync(file, offset, destination, cancel);
}
