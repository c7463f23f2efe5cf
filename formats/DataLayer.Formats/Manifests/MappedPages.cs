using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats;

/// <summary>
/// A manifest file mapped into memory, each 16 KiB page of which is compared with its checksum before the first byte of
/// it is used. So opening costs nothing per page, and a bit that flipped on the disk is a fault and never an answer.
/// Owned by one <see cref="Manifest"/>; safe for concurrent use until disposed.
/// </summary>
/// <remarks>
/// Smaller pages would make the first touch cheaper (16 KiB: 2 µs) and the table larger (4 bytes each); 16 KiB is what the
/// kernel reads at once anyway. What a mapping cannot turn into an exception is a file that others truncate or a disk that
/// fails under it (SIGBUS): manifests are renamed into place and never written again.
/// </remarks>
internal sealed unsafe class MappedPages : IDisposable
{
    internal const int PageShift = 14;
    internal const int PageSize = 1 << PageShift;

    readonly MemoryMappedFile _file;
    readonly MemoryMappedViewAccessor _view;
    byte* _start;
    long _length;
    long _checksums = long.MaxValue;
    byte[] _verified = [];

    internal string Path { get; }
    internal long Length => _length;

    /// <summary>Bytes covered by page checksums, the header's among them.</summary>
    internal long VerifiedLength => _checksums;

    MappedPages(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, long length)
    {
        Path = path;
        _file = file;
        _view = view;
        _length = length;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += view.PointerOffset;
    }

    /// <exception cref="ManifestException">No such file, not readable, or shorter than <paramref name="minimum"/>.</exception>
    internal static MappedPages Map(string path, long minimum)
    {
        try
        {
            using SafeFileHandle handle = File.OpenHandle(path);
            long length = RandomAccess.GetLength(handle);
            if (length < minimum)
                throw new ManifestException($"'{path}' is not a manifest: it has only {length} bytes.");
            MemoryMappedFile file = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            try
            {
                return new MappedPages(path, file, file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read), length);
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new ManifestException($"Cannot open manifest '{path}': {fault.Message}", fault);
        }
    }

    /// <summary>Bytes that no page checksum covers: the header and the checksum table, which have their own.</summary>
    internal ReadOnlySpan<byte> Unverified(long offset, int length)
    {
        CheckRange(offset, length);
        // In range of the mapping by the line above.
        return new ReadOnlySpan<byte>(_start + offset, length);
    }

    /// <summary>From here on pages are verified against the table at <paramref name="checksums"/>.</summary>
    internal void EnableVerification(long checksums)
    {
        _checksums = checksums;
        _verified = new byte[(checksums + PageSize - 1) >> PageShift];
    }

    /// <summary>Verified bytes. They stay valid until the mapping is disposed.</summary>
    internal ReadOnlySpan<byte> Span(long offset, int length)
    {
        CheckRange(offset, length);
        if (length == 0) return default;
        for (long page = offset >> PageShift; page <= (offset + length - 1) >> PageShift; page++)
            if (Volatile.Read(ref _verified[page]) == 0) VerifyPage(page);
        // In range of the mapping, checked above.
        return new ReadOnlySpan<byte>(_start + offset, length);
    }

    /// <summary>
    /// Eight bytes at <paramref name="offset"/>, of which the first <paramref name="width"/> (0..8) are verified. The
    /// caller has checked once that offset + 8 lies before the checksum table (<see cref="Column"/>).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong Word(long offset, int width)
    {
        byte[] verified = _verified;
        long first = offset >> PageShift, last = (offset + width - 1) >> PageShift;
        if ((ulong)first >= (ulong)verified.Length || verified[first] == 0) VerifyPage(first);
        if ((ulong)last >= (ulong)verified.Length || verified[last] == 0) VerifyPage(last);
        // The page is one of a mapping not disposed by the lines above; the column's end + 8 was checked at open.
        return BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(_start + offset, 8));
    }

    /// <summary>Throws the fault for content that contradicts itself.</summary>
    internal ManifestException Damaged(string what) => new(
        $"Manifest '{Path}' is damaged: {what}. Copy it again from where it came, or build the snapshot again.");

    [MethodImpl(MethodImplOptions.NoInlining)]
    void VerifyPage(long page)
    {
        if (page < 0 || page >= _verified.Length) throw Disposed();
        long start = Math.Max(page << PageShift, ManifestFormat.HeaderSize);
        long end = Math.Min((page + 1) << PageShift, _checksums);
        // Both ends lie in the mapping: page < _verified.Length, and the table behind it was checked at open.
        uint actual = Crc32C.Compute(new ReadOnlySpan<byte>(_start + start, (int)(end - start)));
        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(_start + _checksums + page * 4, 4));
        if (actual != expected) throw Damaged($"the checksum of bytes {start}..{end} does not match");
        // Two threads may both have done this; the outcome is the same.
        Volatile.Write(ref _verified[page], 1);
    }

    void CheckRange(long offset, long length)
    {
        if (_length == 0) throw Disposed();
        if (offset < 0 || length < 0 || offset > _length - length)
            throw Damaged($"a reference to bytes {offset}..{offset + length} lies outside the file");
    }

    ObjectDisposedException Disposed() => new(nameof(Manifest), $"Manifest '{Path}' was disposed.");

    public void Dispose()
    {
        if (_length == 0) return;
        _length = 0;
        _verified = [];
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }
}
