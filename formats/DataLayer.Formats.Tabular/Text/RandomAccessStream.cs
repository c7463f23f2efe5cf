namespace DataLayer.Formats.Tabular.Text;

/// <summary>A file read forwards from an offset, for decompressors that want a stream.</summary>
public sealed class RandomAccessStream(IRandomAccess file, long from = 0) : Stream
{
    long position = from;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => file.Length;

    public override long Position
    {
        get => position;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count = (int)Math.Min(buffer.Length, file.Length - position);
        if (count == 0) return 0;
        await file.ReadAsync(position, buffer[..count], cancellationToken);
        position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("read asynchronously");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
