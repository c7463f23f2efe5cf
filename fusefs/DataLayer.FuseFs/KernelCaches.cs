using DataLayer.Formats;
using DataLayer.Fuse;

namespace DataLayer.FuseFs;

/// <summary>Makes the kernel forget what a new snapshot changed; what did not change stays cached.</summary>
static class KernelCaches
{
    /// <summary>
    /// Called after the filesystem serves <paramref name="after"/>. One epoch step expires every name at once, so the tree
    /// changes as a whole; kernels before 7.44 drop the changed names one by one. Pages of a changed file need nothing: it
    /// is a new node, and the old node's pages are right for those who hold it.
    /// </summary>
    public static void Invalidate(FuseConnection connection, Manifest before, Manifest after)
    {
        bool expired = connection.Negotiation.HasEpoch && connection.IncrementEpoch() == Errno.None;
        foreach (ManifestChange change in ManifestDiff.Compare(before, after))
        {
            Manifest manifest = change.New is null ? before : after;
            EntryIndex entry = (change.New ?? change.Old)!.Value;
            switch (change.Kind)
            {
                // The same bytes under another time or owner.
                case ManifestChangeKind.Attributes:
                    connection.InvalidateInode(Node(manifest, entry), offset: -1);
                    break;
                // The kernel keeps a directory's listing in its pages.
                case ManifestChangeKind.Listing:
                    connection.InvalidateInode(Node(manifest, entry));
                    break;
                case ManifestChangeKind.Added or ManifestChangeKind.Removed or ManifestChangeKind.Replaced when !expired:
                    NameReader name = manifest.ReadNames(entry);
                    if (name.Next()) connection.InvalidateEntry(Node(manifest, manifest.Parent(entry)), name.Name);
                    break;
            }
        }
    }

    static FuseNodeId Node(Manifest manifest, EntryIndex entry) => new(manifest.Get(entry).Node.Value);
}
