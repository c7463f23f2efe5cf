using System.Security.Cryptography;

namespace DataLayer.Formats;

/// <summary>
/// The full check of a manifest: what opening and reading leave unproven. Afterwards the file is what a builder would have
/// written for its listing, whoever wrote it: its id is that of its content, its tree is a tree, and every node, pack and
/// file id is the one that follows from paths and recipes.
/// </summary>
internal sealed class ManifestVerifier(Manifest manifest, MappedPages pages)
{
    readonly byte[] _pathBuffer = new byte[ManifestFormat.MaxPath];
    readonly byte[] _lastName = new byte[ManifestFormat.MaxName];
    int _lastLength;
    EntryIndex _lastParent = new(-1);

    PackBoundaries _boundaries = new(manifest.Layout);
    int _pack = -1;
    int _unit;
    long _offset;

    /// <exception cref="ManifestException">What is wrong, and where.</exception>
    internal void Run(CancellationToken cancellation)
    {
        VerifyDigest(cancellation);

        long files = 0, directories = 0, bytes = 0;
        NameReader names = manifest.ReadNames(EntryIndex.Root);
        for (int i = 0; names.Next(); i++)
        {
            if ((i & 0xFFF) == 0) cancellation.ThrowIfCancellationRequested();
            EntryIndex entry = new(i);
            ManifestEntry row = manifest.Get(entry);
            VerifyPlace(entry, names.Name);
            ReadOnlySpan<byte> path = manifest.CopyPath(i, _pathBuffer);
            switch (row.Kind)
            {
                case EntryKind.Directory:
                    directories++;
                    manifest.Children(entry);
                    VerifyNode(entry, row.Node, Recipe.DirectoryNode(path));
                    break;
                case EntryKind.Symlink:
                    VerifyNode(entry, row.Node, Recipe.SymlinkNode(path, manifest.GetLinkTarget(entry)));
                    break;
                default:
                    files++;
                    bytes = row.Size > long.MaxValue - bytes ? long.MaxValue : bytes + row.Size;
                    Digest recipe = manifest.FileDigest(i, manifest.ClassOf(i), row.Size);
                    VerifyNode(entry, row.Node, Recipe.FileNode(path, recipe));
                    VerifyLocation(entry, row, manifest.GetSourceFile(entry).Key, recipe);
                    break;
            }
        }
        for (int pack = 0; pack < manifest.PackCount; pack++) manifest.GetPackFiles(pack);
        Require(
            files == manifest.FileCount && directories == manifest.DirectoryCount && bytes == manifest.TotalBytes && _pack + 1 == manifest.PackCount,
            "its counts do not match its entries");
        long reported = manifest.ReadUnrepresentable().LongCount();
        Require(reported == manifest.ReportedCount && reported <= manifest.UnrepresentableCount, "its list of keys left out does not match its count");
    }

    internal void VerifyDigest(CancellationToken cancellation)
    {
        using IncrementalHash digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long at = ManifestFormat.HeaderSize; at < pages.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = (int)Math.Min(pages.Length - at, 1 << 20);
            if (at < pages.VerifiedLength) count = (int)Math.Min(count, pages.VerifiedLength - at);
            digest.AppendData(at < pages.VerifiedLength ? pages.Span(at, count) : pages.Unverified(at, count));
            at += count;
        }
        Require(manifest.Id == new SnapshotId(Digest.Read(digest.GetHashAndReset())), "its id is not the digest of its content");
    }

    void VerifyPlace(EntryIndex entry, ReadOnlySpan<byte> name)
    {
        if (entry == EntryIndex.Root)
        {
            Require(name.IsEmpty && manifest.Get(entry).Kind == EntryKind.Directory, "its first entry is not a root directory");
            return;
        }
        EntryIndex parent = manifest.Parent(entry);
        (EntryIndex first, int count) = manifest.Children(parent);
        Require(entry.Value >= first.Value && entry.Value - first.Value < count, $"entry {entry.Value} is not among its directory's children");
        Require(
            parent != _lastParent || name.SequenceCompareTo(_lastName.AsSpan(0, _lastLength)) > 0,
            $"the name of entry {entry.Value} is not behind that of the entry before");
        Require(manifest.TryLookup(parent, name, out EntryIndex found) && found == entry, $"entry {entry.Value} is not found by its name");
        _lastParent = parent;
        name.CopyTo(_lastName);
        _lastLength = name.Length;
    }

    void VerifyNode(EntryIndex entry, NodeId actual, NodeId expected)
    {
        Require(manifest.TryFindNode(actual, out EntryIndex found) && found == entry, $"entry {entry.Value} is not found by its node id");
        // A salted id is right only where an earlier entry has the id that it would have had.
        Require(
            actual == expected || (manifest.TryFindNode(expected, out EntryIndex taken) && taken.Value < entry.Value),
            $"the node id of entry {entry.Value} is not that of its recipe");
    }

    void VerifyLocation(EntryIndex entry, in ManifestEntry row, byte[] key, in Digest recipe)
    {
        FileLocation location = manifest.Locate(entry);
        if (row.Size == 0) return;
        if (!PackBoundaries.IsPackable(row.Size, manifest.Layout))
        {
            Require(location.BlockFile.Value == recipe && manifest.ContainsBlockFile(location.BlockFile), $"the large file {entry.Value} is not in its index");
            return;
        }
        if (_boundaries.Next(row.Source, key, row.Size))
        {
            _pack++;
            _unit = 0;
            _offset = 0;
            Require(
                _pack < manifest.PackCount && manifest.GetPack(_pack).First == entry && manifest.ContainsBlockFile(manifest.GetPack(_pack).Id),
                $"pack {_pack} does not begin where it should");
        }
        Require(
            location == new FileLocation(entry, manifest.GetPack(_pack).Id, _pack, _unit, _offset, row.Size),
            $"entry {entry.Value} is not where its pack has it");
        _unit++;
        _offset += row.Size;
    }

    void Require(bool holds, string otherwise)
    {
        if (!holds) throw pages.Damaged(otherwise);
    }
}
