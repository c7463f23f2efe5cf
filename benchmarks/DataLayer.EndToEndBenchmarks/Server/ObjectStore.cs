using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>
/// The objects of one bucket: the files of several data sets, each below its name, in ascending order of key bytes.
/// Blobs are mapped and locked, so that the benchmark can drop the page cache without making the source slow.
/// </summary>
internal sealed unsafe class ObjectStore : IDisposable
{
    private readonly Volume[] _volumes;

    internal ObjectStore(IEnumerable<Dataset> datasets)
    {
        Dataset[] sorted = [.. datasets.OrderBy(dataset => dataset.Spec.Name, StringComparer.Ordinal)];
        _volumes = new Volume[sorted.Length];
        for (int i = 0; i < sorted.Length; i++)
        {
            _volumes[i] = new Volume(sorted[i], Count);
            Count += sorted[i].Index.Count;
        }
    }

    internal int Count { get; }

    /// <summary>Object <paramref name="position"/> in key order.</summary>
    internal StoredObject this[int position]
    {
        get
        {
            Volume volume = VolumeOf(position);
            ref readonly IndexEntry entry = ref volume.Index[position - volume.First];
            return new StoredObject(volume.Fd, volume.Base + entry.Offset, entry.Offset, entry.Size, entry.Md5);
        }
    }

    /// <summary>Appends the key of object <paramref name="position"/> to <paramref name="target"/>; returns its length.</summary>
    internal int CopyKey(int position, Span<byte> target)
    {
        Volume volume = VolumeOf(position);
        ReadOnlySpan<byte> rest = volume.Index.Key(position - volume.First);
        volume.Prefix.CopyTo(target);
        rest.CopyTo(target[volume.Prefix.Length..]);
        return volume.Prefix.Length + rest.Length;
    }

    /// <summary>The position of the first object whose key is not below <paramref name="key"/>.</summary>
    internal int LowerBound(ReadOnlySpan<byte> key)
    {
        int low = 0, high = Count;
        while (low < high)
        {
            int middle = (int)(((uint)low + (uint)high) / 2);
            if (Compare(middle, key) < 0) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    /// <summary>The position of the object with exactly this key, or -1.</summary>
    internal int Find(ReadOnlySpan<byte> key)
    {
        int position = LowerBound(key);
        return position < Count && Compare(position, key) == 0 ? position : -1;
    }

    public void Dispose()
    {
        foreach (Volume volume in _volumes) volume.Dispose();
    }

    private int Compare(int position, ReadOnlySpan<byte> key)
    {
        Volume volume = VolumeOf(position);
        ReadOnlySpan<byte> prefix = volume.Prefix;
        int common = Math.Min(prefix.Length, key.Length);
        int order = prefix[..common].SequenceCompareTo(key[..common]);
        if (order != 0) return order;
        return key.Length < prefix.Length ? 1 : volume.Index.Key(position - volume.First).SequenceCompareTo(key[prefix.Length..]);
    }

    private Volume VolumeOf(int position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        for (int i = _volumes.Length - 1; i >= 0; i--)
        {
            if (position >= _volumes[i].First) return _volumes[i];
        }

        throw new ArgumentOutOfRangeException(nameof(position));
    }

    /// <summary>One data set in the bucket; its first object has position <see cref="First"/>.</summary>
    private sealed class Volume : IDisposable
    {
        private readonly FileStream _blob;
        private readonly long _length;

        internal Volume(Dataset dataset, int first)
        {
            Index = dataset.Index;
            First = first;
            Prefix = System.Text.Encoding.UTF8.GetBytes(dataset.Spec.Name + "/");
            _blob = new FileStream(dataset.BlobPath, FileMode.Open, FileAccess.Read, FileShare.Read, 0);
            _length = _blob.Length;
            if (_length < Index.TotalBytes) throw new InvalidDataException($"{dataset.BlobPath} is shorter than its index says; delete both");
            void* mapped = Libc.mmap(null, (nuint)_length, Libc.PROT_READ, Libc.MAP_SHARED | Libc.MAP_POPULATE, Fd, 0);
            if ((nint)mapped == -1) throw Libc.Failure($"cannot map {dataset.BlobPath}");
            Base = (byte*)mapped;
            // Mapped pages survive drop_caches already; locking also keeps them under memory pressure. It needs a
            // privilege and is not needed for correct answers, so a refusal is fine.
            _ = Libc.mlock(Base, (nuint)_length);
        }

        internal DatasetIndex Index { get; }
        internal int First { get; }
        internal byte[] Prefix { get; }
        internal byte* Base { get; }
        internal int Fd => (int)_blob.SafeFileHandle.DangerousGetHandle();

        public void Dispose()
        {
            Libc.munmap(Base, (nuint)_length);
            _blob.Dispose();
        }
    }
}

/// <summary>Where an object's bytes are: in memory from <see cref="Data"/>, and in a file from <see cref="Offset"/>.</summary>
internal readonly unsafe struct StoredObject(int fd, byte* data, long offset, long size, Md5Digest etag)
{
    internal readonly int Fd = fd;
    internal readonly byte* Data = data;
    internal readonly long Offset = offset;
    internal readonly long Size = size;
    internal readonly Md5Digest ETag = etag;
}
