namespace DataLayer.Formats;

/// <summary>One row of a manifest, by value.</summary>
/// <param name="Mode">Permission bits, or -1 where the source has none.</param>
/// <param name="Uid">Owner, or -1 where the source has none.</param>
/// <param name="MtimeNs">Nanoseconds since the Unix epoch.</param>
/// <param name="Source">Ordinal in <see cref="Manifest.Sources"/>.</param>
public readonly record struct ManifestEntry(
    EntryKind Kind, NodeId Node, long Size, long MtimeNs, int Mode, long Uid, long Gid, int Source);

/// <summary>A source as a manifest records it.</summary>
/// <param name="Identity">See <see cref="ISource.Identity"/>.</param>
/// <param name="SubPath">Where it is joined, without leading or trailing '/'; empty for the root.</param>
public sealed record ManifestSource(string Identity, string SubPath);

/// <summary>One pack: the packable files of a run of entries, laid end to end in entry order.</summary>
/// <param name="First">First entry of the run; the run ends before <paramref name="End"/>. Not every entry of it is in the pack: directories, symlinks and large files are skipped.</param>
/// <param name="Length">Bytes of all its files together.</param>
/// <param name="FileCount">Its files, that is its units.</param>
public readonly record struct PackInfo(BlockFileId Id, EntryIndex First, EntryIndex End, long Length, int FileCount);

/// <summary>A key that POSIX cannot hold, and the rule that left it out.</summary>
public sealed record UnrepresentableKey(int Source, byte[] Key, string Reason);

/// <summary>
/// One snapshot, memory-mapped: an immutable, checksummed file that holds the tree and everything needed to read it.
/// Safe for concurrent use. No managed object per file; lookups allocate nothing.
/// </summary>
public sealed class Manifest : IDisposable
{
    /// <summary>Maps and checks a manifest file.</summary>
    /// <exception cref="ManifestException">Not a manifest, damaged, or of a newer format; the message says which, and the remedy.</exception>
    public static Manifest Open(string path) => throw new NotImplementedException();

    public SnapshotId Id => throw new NotImplementedException();
    public LayoutParameters Layout => throw new NotImplementedException();
    public IReadOnlyList<ManifestSource> Sources => throw new NotImplementedException();
    public int EntryCount => throw new NotImplementedException();
    public long FileCount => throw new NotImplementedException();
    public long DirectoryCount => throw new NotImplementedException();
    public long TotalBytes => throw new NotImplementedException();
    public int PackCount => throw new NotImplementedException();
    public long UnrepresentableCount => throw new NotImplementedException();

    public ManifestEntry Get(EntryIndex entry) => throw new NotImplementedException();
    public bool TryFindNode(NodeId node, out EntryIndex entry) => throw new NotImplementedException();
    public bool TryLookup(EntryIndex directory, ReadOnlySpan<byte> name, out EntryIndex entry) => throw new NotImplementedException();

    /// <summary>The children of a directory are consecutive entries in byte order of their names.</summary>
    public (EntryIndex First, int Count) Children(EntryIndex directory) => throw new NotImplementedException();

    /// <summary>The directory an entry stands in; the root for the root.</summary>
    public EntryIndex Parent(EntryIndex entry) => throw new NotImplementedException();

    /// <summary>Decodes names of consecutive entries without re-reading what they share.</summary>
    public NameReader ReadNames(EntryIndex first) => throw new NotImplementedException();

    /// <summary>Path below the mount's root, '/'-separated, no leading '/'.</summary>
    public byte[] GetPath(EntryIndex entry) => throw new NotImplementedException();

    /// <summary>What the entry's source needs to read it (for files).</summary>
    public SourceFile GetSourceFile(EntryIndex entry) => throw new NotImplementedException();

    public byte[] GetLinkTarget(EntryIndex entry) => throw new NotImplementedException();

    public FileLocation Locate(EntryIndex file) => throw new NotImplementedException();
    public PackInfo GetPack(int pack) => throw new NotImplementedException();

    /// <summary>The files of a pack in unit order: element i has <c>Unit == i</c>.</summary>
    public FileLocation[] GetPackFiles(int pack) => throw new NotImplementedException();

    /// <summary>True when the manifest contains this block file (a pack, or a large file).</summary>
    public bool ContainsBlockFile(BlockFileId id) => throw new NotImplementedException();

    public IEnumerable<UnrepresentableKey> ReadUnrepresentable() => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}

/// <summary>Walks names forward. <c>while (reader.Next()) use(reader.Name);</c> Valid on one stack only.</summary>
public ref struct NameReader
{
    /// <summary>Moves to the next entry (the first call: to the one asked for). False past the last entry of the manifest.</summary>
    public bool Next() => throw new NotImplementedException();
    public readonly ReadOnlySpan<byte> Name => throw new NotImplementedException();
}

public sealed record LayoutParameters
{
    /// <summary>Files up to this size (bytes) are packed.</summary>
    public long PackThreshold { get; init; } = 1 << 20;
    /// <summary>Mean bytes of a pack.</summary>
    public long PackTarget { get; init; } = 8 << 20;
    /// <summary>A pack never exceeds this (bytes).</summary>
    public long PackLimit { get; init; } = 32 << 20;
    /// <summary>Bytes of one slice of a large file.</summary>
    public long SliceSize { get; init; } = 64 << 20;
}

/// <summary>A manifest that cannot be used; the message names the file and the remedy.</summary>
public sealed class ManifestException(string message, Exception? inner = null) : Exception(message, inner);
