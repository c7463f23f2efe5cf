namespace DataLayer.Formats;

/// <summary>One row of a manifest, by value.</summary>
/// <param name="Size">Bytes of a file, length of a symlink's target, 0 for a directory.</param>
/// <param name="Mode">Permission bits, or -1 where the source has none.</param>
/// <param name="Uid">Owner, or -1 where the source has none.</param>
/// <param name="MtimeNs">Nanoseconds since the Unix epoch.</param>
/// <param name="Source">Ordinal in <see cref="Manifest.Sources"/>.</param>
public readonly record struct ManifestEntry(
    EntryKind Kind, NodeId Node, long Size, long MtimeNs, int Mode, long Uid, long Gid, int Source);
