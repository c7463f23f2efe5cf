using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats.Tabular;

/// <summary>A file of a local or mounted filesystem.</summary>
public sealed class LocalFile : IRandomAccess, IDisposable
{
    readonly SafeFileHandle handle;

    public LocalFile(string path)
    {
        handle = File.OpenHandle(path);
        Name = path;
        Length = RandomAccess.GetLength(handle);
    }

    public string Name { get; }

    public long Length { get; }

    public ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        while (destination.Length > 0)
        {
            // pread is blocking on Linux either way: the asynchronous overload only moves it to another thread.
            int read = RandomAccess.Read(handle, destination.Span, offset);
            if (read == 0) throw new EndOfStreamException($"{Name} ends at byte {offset} but was {Length} bytes long when it was opened");
            offset += read;
            destination = destination[read..];
        }
        return ValueTask.CompletedTask;
    }

    public void Dispose() => handle.Dispose();
}
