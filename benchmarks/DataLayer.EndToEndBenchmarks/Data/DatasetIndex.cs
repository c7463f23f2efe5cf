using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace DataLayer.EndToEndBenchmarks.Data;

/// <summary>
/// One entry of a <see cref="DatasetIndex"/>: 48 bytes on disk, native byte order (the file never leaves the machine).
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IndexEntry
{
    /// <summary>Where the file's bytes begin in the blob, and how many.</summary>
    internal long Offset, Size;
    internal long KeyOffset;
    internal int KeyLength;
    /// <summary>CRC-32C of the whole file.</summary>
    internal uint Crc;
    internal Md5Digest Md5;
}

/// <summary>An MD5 digest, the ETag of an object uploaded in one part.</summary>
[InlineArray(16)]
internal struct Md5Digest
{
    private byte _first;
}

/// <summary>
/// A data set's files sorted by the bytes of their keys, memory-mapped: header (magic, count, bytes of keys), entries,
/// keys. Shared read-only by the server, the readers and the plain HTTP client. The blob beside it holds all contents
/// end to end.
/// </summary>
internal sealed unsafe class DatasetIndex : IDisposable
{
    private const long Magic = 0x3158_444E_4942_4C44;
    private const int HeaderBytes = 24;
    private readonly byte* _base;
    private readonly long _length;

    internal DatasetIndex(string path)
    {
        using FileStream file = File.OpenRead(path);
        _length = file.Length;
        if (_length < HeaderBytes) throw new InvalidDataException($"{path} is too short for a data set index");
        void* mapped = Libc.mmap(null, (nuint)_length, Libc.PROT_READ, Libc.MAP_SHARED | Libc.MAP_POPULATE,
            (int)file.SafeFileHandle.DangerousGetHandle(), 0);
        if ((nint)mapped == -1) throw Libc.Failure($"cannot map {path}");
        _base = (byte*)mapped;
        Count = (int)((long*)_base)[1];
        if (*(long*)_base != Magic || _length != HeaderBytes + ((long)Count * sizeof(IndexEntry)) + ((long*)_base)[2])
            throw new InvalidDataException($"{path} is not a data set index; delete it and it is made again");
    }

    internal int Count { get; }

    internal long TotalBytes
    {
        get
        {
            ref readonly IndexEntry last = ref this[Count - 1];
            return last.Offset + last.Size;
        }
    }

    // Safe: the index is checked against the count, and the constructor checked that all entries lie inside the mapping.
    internal ref readonly IndexEntry this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count);
            return ref ((IndexEntry*)(_base + HeaderBytes))[index];
        }
    }

    // Safe: written by Write below, which places every key inside the key area; valid until Dispose.
    internal ReadOnlySpan<byte> Key(int index)
    {
        ref readonly IndexEntry entry = ref this[index];
        return new ReadOnlySpan<byte>(_base + HeaderBytes + ((long)Count * sizeof(IndexEntry)) + entry.KeyOffset, entry.KeyLength);
    }

    /// <summary>Writes an index; <paramref name="entries"/> and <paramref name="keys"/> go together and are sorted.</summary>
    internal static void Write(string path, IndexEntry[] entries, string[] keys)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
        byte[][] encoded = Array.ConvertAll(keys, Encoding.UTF8.GetBytes);
        file.Write(MemoryMarshal.AsBytes<long>([Magic, entries.Length, encoded.Sum(key => (long)key.Length)]));
        long keyOffset = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i].KeyOffset = keyOffset;
            entries[i].KeyLength = encoded[i].Length;
            keyOffset += encoded[i].Length;
        }

        file.Write(MemoryMarshal.AsBytes<IndexEntry>(entries));
        foreach (byte[] key in encoded) file.Write(key);
    }

    public void Dispose() => Libc.munmap(_base, (nuint)_length);
}
