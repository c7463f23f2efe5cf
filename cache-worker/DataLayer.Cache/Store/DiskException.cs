namespace DataLayer.Cache;

/// <summary>The cache's disk refused (full, read-only, failing): reads go on without it.</summary>
internal sealed class DiskException(int errno, string message) : IOException(message)
{
    public int Errno { get; } = errno;
}
