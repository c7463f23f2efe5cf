namespace DataLayer.Formats;

/// <summary>
/// Where one file's bytes lie in a block store: a pure function of the manifest (<c>Manifest.Locate</c>).
/// Presence and checksum are kept per <i>unit</i>: a whole file within a pack, 1 MiB (the last one shorter) of a large file.
/// </summary>
/// <param name="Entry">The file in its manifest.</param>
/// <param name="BlockFile">The local file that holds it; none (the default value) for an empty file.</param>
/// <param name="Pack">Ordinal of the pack in the manifest, or -1 for a large file and for an empty one.</param>
/// <param name="Unit">For a pack: the file's ordinal within it. For a large file: 0, its first unit.</param>
/// <param name="Offset">Byte offset of the file's first byte within the block file (0 for a large file).</param>
/// <param name="Length">The file's size in bytes.</param>
public readonly record struct FileLocation(EntryIndex Entry, BlockFileId BlockFile, int Pack, int Unit, long Offset, long Length)
{
    /// <summary>Bytes of one unit of a large file.</summary>
    public const int LargeUnit = 1 << 20;

    public bool IsPacked => Pack >= 0;
}
