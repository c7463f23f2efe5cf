using System.Buffers;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace DataLayer.Formats.Tabular.Text;

/// <summary>
/// The uncompressed bytes of a gzip file of one or more members, from its start or from a <see cref="GzipRestart"/>;
/// collects restarts on the way when asked to. The members' checksums are verified, except that of the member in which
/// a restart lies. What follows the last member and is no member is ignored, as gzip does. One thread at a time.
/// </summary>
public sealed class GzipReader : Stream
{
    const int WindowSize = 32 << 10;
    const int TrailerSize = 8;

    readonly IRandomAccess file;
    readonly ZlibLibrary zlib;
    readonly List<GzipRestart>? collected;
    readonly long spacing;
    readonly byte[] input;
    // Native memory: zlib keeps a pointer back to its stream.
    readonly unsafe ZStream* stream;
    int inputStart;
    int inputEnd;
    long filePosition;
    long produced;
    long lastRestart;
    bool raw;
    bool inMember = true;
    bool ended;
    bool disposed;

    unsafe GzipReader(IRandomAccess file, ZlibLibrary zlib, List<GzipRestart>? collected, long spacing)
    {
        this.file = file;
        this.zlib = zlib;
        this.collected = collected;
        this.spacing = spacing;
        input = ArrayPool<byte>.Shared.Rent(128 << 10);
        stream = (ZStream*)NativeMemory.AllocZeroed((nuint)sizeof(ZStream));
    }

    /// <summary>Without libz.so.1 there are no restarts: .NET's decompressor then reads from the start.</summary>
    public static bool CanRestart => ZlibLibrary.Instance is not null;

    /// <param name="collect">Gets a restart about every <paramref name="spacing"/> bytes.</param>
    public static unsafe Stream Open(IRandomAccess file, List<GzipRestart>? collect = null, long spacing = GzipRestart.Spacing)
    {
        if (ZlibLibrary.Instance is not { } zlib) return new GZipStream(new RandomAccessStream(file), CompressionMode.Decompress);
        var reader = new GzipReader(file, zlib, collect, spacing);
        reader.Check(zlib.Initialize(reader.stream, ZlibLibrary.GzipWindow));
        return reader;
    }

    /// <summary>The uncompressed bytes from <paramref name="offset"/> on.</summary>
    /// <exception cref="InvalidDataException">The file ends before, or is damaged.</exception>
    public static async ValueTask<Stream> OpenAtAsync(IRandomAccess file, IReadOnlyList<GzipRestart> restarts, long offset, CancellationToken cancel)
    {
        GzipRestart? restart = CanRestart ? GzipRestart.Before(restarts, offset) : null;
        Stream reader = restart is null ? Open(file) : await RestartAsync(file, restart, cancel);
        try
        {
            var passed = new byte[64 << 10];
            for (long left = offset - (restart?.Offset ?? 0); left > 0;)
            {
                int read = await reader.ReadAsync(passed.AsMemory(0, (int)Math.Min(left, passed.Length)), cancel);
                if (read == 0) throw new InvalidDataException($"it holds {offset - left} bytes, not {offset} and more");
                left -= read;
            }
            return reader;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    static async ValueTask<GzipReader> RestartAsync(IRandomAccess file, GzipRestart restart, CancellationToken cancel)
    {
        var before = new byte[1];
        if (restart.Bits > 0) await file.ReadAsync(restart.CompressedOffset - 1, before, cancel);
        var reader = new GzipReader(file, ZlibLibrary.Instance!, null, 0);
        try
        {
            reader.Restart(restart, before[0]);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    unsafe void Restart(GzipRestart restart, byte before)
    {
        raw = true;
        filePosition = restart.CompressedOffset;
        produced = restart.Offset;
        Check(zlib.Initialize(stream, ZlibLibrary.RawWindow));
        if (restart.Bits > 0) Check(zlib.Prime(stream, restart.Bits, before >> (8 - restart.Bits)));
        byte[] window = Inflated(restart.Window);
        // Safety: zlib copies the window during the call.
        fixed (byte* bytes = window) Check(zlib.SetDictionary(stream, bytes, (uint)window.Length));
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    /// <summary>Uncompressed bytes read so far, those before a restart included.</summary>
    public override long Position
    {
        get => produced;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        while (!ended && buffer.Length > 0)
        {
            if (!inMember)
            {
                if (inputEnd - inputStart < TrailerSize) await FillAsync(cancellationToken);
                NextMember();
                continue;
            }
            int read = Decompress(buffer.Span);
            if (read > 0) return read;
            if (inMember && inputStart == inputEnd && !await FillAsync(cancellationToken)) throw new InvalidDataException("it ends in the middle");
        }
        return 0;
    }

    /// <summary>Appends to the input; false when the file has no more.</summary>
    async ValueTask<bool> FillAsync(CancellationToken cancel)
    {
        input.AsSpan(inputStart, inputEnd - inputStart).CopyTo(input);
        inputEnd -= inputStart;
        inputStart = 0;
        int wanted = (int)Math.Min(input.Length - inputEnd, file.Length - filePosition);
        if (wanted == 0) return false;
        await file.ReadAsync(filePosition, input.AsMemory(inputEnd, wanted), cancel);
        filePosition += wanted;
        inputEnd += wanted;
        return true;
    }

    unsafe int Decompress(Span<byte> destination)
    {
        int total = 0;
        // Safety: both buffers are pinned for the call, and the lengths given are theirs.
        fixed (byte* from = input)
        fixed (byte* to = destination)
        {
            while (total < destination.Length && inputStart < inputEnd)
            {
                stream->NextIn = from + inputStart;
                stream->AvailableIn = (uint)(inputEnd - inputStart);
                stream->NextOut = to + total;
                stream->AvailableOut = (uint)(destination.Length - total);
                int result = zlib.Inflate(stream, collected is null ? ZlibLibrary.NoFlush : ZlibLibrary.StopAtBlock);
                int written = destination.Length - total - (int)stream->AvailableOut;
                total += written;
                produced += written;
                inputStart = inputEnd - (int)stream->AvailableIn;
                if (result == ZlibLibrary.StreamEnd)
                {
                    inMember = false;
                    break;
                }
                Check(result);
                if (collected is not null && (stream->DataType & 0xC0) == 0x80 && produced - lastRestart >= spacing) Collect();
            }
        }
        return total;
    }

    unsafe void Collect()
    {
        var window = new byte[WindowSize];
        uint length = 0;
        // Safety: zlib writes at most its window of 32 KiB.
        fixed (byte* bytes = window) Check(zlib.GetDictionary(stream, bytes, &length));
        collected!.Add(new GzipRestart(filePosition - (inputEnd - inputStart), stream->DataType & 7, produced, Deflated(window.AsSpan(0, (int)length))));
        lastRestart = produced;
    }

    /// <summary>After the end of a member: its trailer, if it was read without its header, and the next member's start.</summary>
    unsafe void NextMember()
    {
        if (raw) inputStart += Math.Min(TrailerSize, inputEnd - inputStart);
        ReadOnlySpan<byte> rest = input.AsSpan(inputStart, inputEnd - inputStart);
        if (rest.Length < 2 && filePosition < file.Length)
        {
            raw = false;
            return;
        }
        if (rest is not [0x1F, 0x8B, ..])
        {
            ended = true;
            return;
        }
        raw = false;
        inMember = true;
        Check(zlib.Reset(stream, ZlibLibrary.GzipWindow));
    }

    unsafe void Check(int result)
    {
        if (result == ZlibLibrary.Ok) return;
        string? message = stream->Message is null ? null : Marshal.PtrToStringUTF8((nint)stream->Message);
        throw new InvalidDataException(message ?? $"zlib error {result}");
    }

    static byte[] Deflated(ReadOnlySpan<byte> bytes)
    {
        using var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.Fastest)) deflate.Write(bytes);
        return packed.ToArray();
    }

    static byte[] Inflated(byte[] packed)
    {
        using var inflate = new DeflateStream(new MemoryStream(packed), CompressionMode.Decompress);
        var window = new byte[WindowSize];
        int length = inflate.ReadAtLeast(window, WindowSize, throwOnEndOfStream: false);
        return window[..length];
    }

    protected override unsafe void Dispose(bool disposing)
    {
        if (!disposed)
        {
            disposed = true;
            // Safety: nothing uses the stream after this; End frees what zlib allocated.
            zlib.End(stream);
            NativeMemory.Free(stream);
            ArrayPool<byte>.Shared.Return(input);
        }
        base.Dispose(disposing);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("read asynchronously");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
