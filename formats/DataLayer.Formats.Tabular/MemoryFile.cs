namespace DataLayer.Formats.Tabular;

/// <summary>A file whose bytes are in memory.</summary>
public sealed class MemoryFile(string name, ReadOnlyMemory<byte> content) : IRandomAccess
{
    public string Name => name;

    public long Length => content.Length;

    public ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        content.Slice(checked((int)offset), destination.Length).CopyTo(destination);
        return ValueTask.CompletedTask;
    }
}
