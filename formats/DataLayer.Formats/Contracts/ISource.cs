namespace DataLayer.Formats;

public enum EntryKind : byte
{
    Directory = 0,
    File = 1,
    Symlink = 2,

    /// <summary>A socket, device, pipe or anything else that is listed in the manifest's report only.</summary>
    Unsupported = 3,
}

/// <summary>One thing found by listing a source.</summary>
public readonly record struct SourceEntry
{
    /// <summary>
    /// The key below the source's root, '/'-separated, exactly the bytes the source has (not necessarily UTF-8, not
    /// necessarily something POSIX can hold: the manifest builder judges that). The source's root itself is the empty key.
    /// A key that ends in '/' with <see cref="Size"/> 0 is an object store's directory marker.
    /// </summary>
    public required byte[] Key { get; init; }

    public required EntryKind Kind { get; init; }

    /// <summary>Bytes; 0 for directories.</summary>
    public long Size { get; init; }

    /// <summary>Last modification, nanoseconds since the Unix epoch (may be negative); <see cref="NoTime"/> when the source has none.</summary>
    public long MtimeNs { get; init; }

    /// <summary>Permission bits (07777), or -1 where the source has none (object stores).</summary>
    public int Mode { get; init; }

    /// <summary>Owner, or -1 where the source has none.</summary>
    public long Uid { get; init; }
    public long Gid { get; init; }

    /// <summary>
    /// Identity of this version of the content beside key and size; opaque outside the source that made it and at most
    /// 2 KiB. Equal tag, key and size mean equal bytes. Empty for directories.
    /// </summary>
    public byte[] VersionTag { get; init; }

    /// <summary>Target of a symlink, as stored; never followed.</summary>
    public byte[] LinkTarget { get; init; }

    /// <summary>For <see cref="EntryKind.Unsupported"/>: what it is ("socket", "block device", …).</summary>
    public string? Remark { get; init; }

    public const long NoTime = long.MinValue;
}

/// <summary>What a source needs to read one version of one file.</summary>
/// <param name="Key">As in <see cref="SourceEntry.Key"/>.</param>
/// <param name="VersionTag">As in <see cref="SourceEntry.VersionTag"/>.</param>
public readonly record struct SourceFile(byte[] Key, long Size, byte[] VersionTag);

/// <summary>
/// Where bytes live. Implementations are safe for concurrent use. All faults are <see cref="SourceException"/>s (or
/// <see cref="OperationCanceledException"/> for the caller's token); retries of transient faults happen inside.
/// </summary>
public interface ISource : IAsyncDisposable
{
    /// <summary>
    /// Canonical identity, part of every recipe and shown to users: kind, endpoint, bucket and prefix, or an absolute
    /// path. Holds no secret. Two spellings of one place give the same text.
    /// </summary>
    string Identity { get; }

    /// <summary>
    /// Everything below the source's root, in pages, in any order. The listing may run ahead of the consumer by a bounded
    /// number of pages only. A key may appear once.
    /// </summary>
    IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync(CancellationToken cancellation);

    /// <summary>
    /// Fills <paramref name="destination"/> with the bytes of exactly this version at
    /// <paramref name="offset"/> (offset + length ≤ size), or throws; never a mixture of two versions.
    /// </summary>
    /// <exception cref="SourceException">See <see cref="SourceFault"/>.</exception>
    ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation);
}

/// <summary>Why a source could not do what was asked; one map turns it into an errno.</summary>
public enum SourceFault
{
    /// <summary>The object changed or vanished since it was listed; its recorded version cannot be read any more (ESTALE).</summary>
    Changed,

    /// <summary>Permission, credentials or signature refused (EACCES). Retrying with the same credentials will not help.</summary>
    Denied,

    /// <summary>Unreachable, throttled, timed out or answering nonsense after all retries (EIO). A later try may succeed.</summary>
    Unavailable,

    /// <summary>The source itself does not exist or cannot be used as configured (no such bucket, not a directory).</summary>
    Misconfigured,
}

/// <summary>A fault of a source. The message names the source, the key and the remedy, and never a secret.</summary>
public sealed class SourceException(SourceFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    public SourceFault Fault { get; } = fault;

    /// <summary>A later attempt, with nothing else changed, may succeed.</summary>
    public bool IsTransient => Fault == SourceFault.Unavailable;
}
