namespace DataLayer.Formats;

public enum ManifestChangeKind
{
    /// <summary>A name that was not there.</summary>
    Added,

    /// <summary>A name that is there no more.</summary>
    Removed,

    /// <summary>Another node under the same name: new content, another link target, or another kind.</summary>
    Replaced,

    /// <summary>The same node with another mtime, mode or owner.</summary>
    Attributes,

    /// <summary>A directory in both whose listing differs: children were added, removed or replaced. Follows those changes.</summary>
    Listing,
}

/// <summary>One difference between two snapshots.</summary>
/// <param name="Old">Entry in the old snapshot; null when added.</param>
/// <param name="New">Entry in the new snapshot; null when removed.</param>
/// <param name="WithDirectory">
/// The entry came or went with its whole directory, which has a change of its own: who forgets the directory need not
/// forget the entry.
/// </param>
public readonly record struct ManifestChange(ManifestChangeKind Kind, EntryIndex? Old, EntryIndex? New, bool WithDirectory);
