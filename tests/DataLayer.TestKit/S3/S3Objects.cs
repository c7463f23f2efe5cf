using System.Security.Cryptography;

namespace DataLayer.TestKit.S3;

/// <summary>One version of an object in a <see cref="FaultyS3Server"/>.</summary>
public sealed record S3Object
{
    public required byte[] Key { get; init; }
    public required byte[] Body { get; init; }

    /// <summary>Without quotes; the body's MD5 unless it was put with another.</summary>
    public required string ETag { get; init; }

    public required string VersionId { get; init; }
    public required DateTime Modified { get; init; }
    public bool IsDeleteMarker { get; init; }

    /// <summary>Header lines sent with the body.</summary>
    public IReadOnlyList<string> Headers { get; init; } = [];
}

/// <summary>The objects of one bucket, sorted by key. Safe for concurrent use.</summary>
internal sealed class S3Objects
{
    readonly Lock _sync = new();
    readonly Dictionary<byte[], List<S3Object>> _versions = new(KeyComparer.Instance);
    S3Object[]? _current;
    S3Object[]? _all;
    int _nextVersion;

    public void Put(byte[] key, byte[] body, string? etag, IReadOnlyList<string> headers, bool versioned, bool deleteMarker)
    {
        lock (_sync)
        {
            S3Object made = new()
            {
                Key = key,
                Body = body,
                ETag = etag ?? Convert.ToHexStringLower(MD5.HashData(body)),
                VersionId = versioned ? $"v{++_nextVersion:x8}" : "null",
                Modified = DateTime.UtcNow,
                IsDeleteMarker = deleteMarker,
                Headers = headers,
            };
            if (!_versions.TryGetValue(key, out List<S3Object>? versions)) _versions[key] = versions = [];
            if (!versioned) versions.RemoveAll(v => v.VersionId == "null");
            versions.Insert(0, made);
            _current = _all = null;
        }
    }

    public void Remove(byte[] key)
    {
        lock (_sync)
        {
            _versions.Remove(key);
            _current = _all = null;
        }
    }

    public S3Object? Find(byte[] key, string? versionId)
    {
        lock (_sync)
        {
            if (!_versions.TryGetValue(key, out List<S3Object>? versions)) return null;
            return versionId is null ? versions[0] : versions.Find(v => v.VersionId == versionId);
        }
    }

    /// <summary>Sorted by key; all versions newest first, or current ones without delete markers.</summary>
    public S3Object[] Sorted(bool allVersions)
    {
        lock (_sync)
        {
            if (_current is null || _all is null)
            {
                byte[][] keys = [.. _versions.Keys];
                Array.Sort(keys, KeyComparer.Instance);
                _all = [.. keys.SelectMany(k => _versions[k])];
                _current = [.. keys.Select(k => _versions[k][0]).Where(v => !v.IsDeleteMarker)];
            }
            return allVersions ? _all : _current;
        }
    }

    /// <summary>Index of the first element whose key is above <paramref name="key"/>.</summary>
    public static int FirstAbove(S3Object[] sorted, ReadOnlySpan<byte> key, bool orEqual = false)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            int order = sorted[middle].Key.AsSpan().SequenceCompareTo(key);
            if (order > 0 || (orEqual && order == 0)) high = middle;
            else low = middle + 1;
        }
        return low;
    }

    sealed class KeyComparer : IEqualityComparer<byte[]>, IComparer<byte[]>
    {
        public static readonly KeyComparer Instance = new();

        public bool Equals(byte[]? a, byte[]? b) => a.AsSpan().SequenceEqual(b);

        public int GetHashCode(byte[] key)
        {
            HashCode hash = new();
            hash.AddBytes(key);
            return hash.ToHashCode();
        }

        public int Compare(byte[]? a, byte[]? b) => a.AsSpan().SequenceCompareTo(b);
    }
}
