using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Formats;

/// <summary>Writes a manifest front to back in one pass: bytes, page checksums, and the digest that becomes the snapshot's id.</summary>
internal sealed class ContentWriter : IDisposable
{
    readonly SafeFileHandle _file;
    readonly IncrementalHash _digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    readonly List<uint> _checksums = [];
    // Whole pages, so that each flush covers whole pages.
    readonly byte[] _buffer = new byte[16 * MappedPages.PageSize];
    int _used = ManifestFormat.HeaderSize;
    long _flushed;

    internal ContentWriter(SafeFileHandle file) => _file = file;

    internal long Position => _flushed + _used;

    internal void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_used == _buffer.Length) Flush();
            int count = Math.Min(bytes.Length, _buffer.Length - _used);
            bytes[..count].CopyTo(_buffer.AsSpan(_used));
            _used += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>Zeros up to a multiple of eight.</summary>
    internal void Align() => Write(stackalloc byte[(int)(-Position & 7)]);

    void Flush()
    {
        int start = _flushed == 0 ? ManifestFormat.HeaderSize : 0;
        _digest.AppendData(_buffer, start, _used - start);
        for (int page = 0; page < _used; page += MappedPages.PageSize)
        {
            int from = Math.Max(page, start);
            _checksums.Add(Crc32C.Compute(_buffer.AsSpan(from, Math.Min(page + MappedPages.PageSize, _used) - from)));
        }
        RandomAccess.Write(_file, _buffer.AsSpan(0, _used), _flushed);
        _flushed += _used;
        _used = 0;
    }

    /// <summary>Ends the content, appends the checksum table and writes the header.</summary>
    internal SnapshotId Finish(int sectionCount)
    {
        Align();
        Write(stackalloc byte[ManifestFormat.TrailingZeros]);
        Flush();
        long checksumsAt = _flushed;
        byte[] checksums = new byte[_checksums.Count * 4];
        for (int i = 0; i < _checksums.Count; i++) BinaryPrimitives.WriteUInt32LittleEndian(checksums.AsSpan(i * 4), _checksums[i]);
        _digest.AppendData(checksums);
        RandomAccess.Write(_file, checksums, checksumsAt);

        byte[] header = new byte[ManifestFormat.HeaderSize];
        ManifestFormat.Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(ManifestFormat.VersionAt), ManifestFormat.Version);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(ManifestFormat.SectionCountAt), sectionCount);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(ManifestFormat.FileLengthAt), checksumsAt + checksums.Length);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(ManifestFormat.ChecksumsAt), checksumsAt);
        SnapshotId id = new(Digest.Read(_digest.GetHashAndReset()));
        id.Value.Write(header.AsSpan(ManifestFormat.SnapshotIdAt));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(ManifestFormat.ChecksumsCrcAt), Crc32C.Compute(checksums));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(ManifestFormat.HeaderCrcAt), Crc32C.Compute(header.AsSpan(0, ManifestFormat.HeaderCrcAt)));
        RandomAccess.Write(_file, header, 0);
        return id;
    }

    public void Dispose() => _digest.Dispose();
}
