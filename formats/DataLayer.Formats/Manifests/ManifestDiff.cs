namespace DataLayer.Formats;

/// <summary>
/// Compares two snapshots of one dataset, directory by directory, as a stream. What a mount that moves from one to the
/// other must invalidate: the name of each Added, Removed and Replaced entry (paths of both manifests agree), the node of
/// each Attributes, and the cached listing of each Listing.
/// </summary>
/// <remarks>
/// Memory: a batch of changes, and the pairs of directories still to be compared. Both manifests stay open meanwhile.
/// About 0.1 µs per unchanged entry.
/// </remarks>
public sealed class ManifestDiff
{
    // The names of a directory are compared in one go, as their readers cannot be kept across a yield.
    const int BatchSize = 4096;

    readonly Manifest _old;
    readonly Manifest _new;
    readonly Stack<Pair> _directories = new();
    readonly List<ManifestChange> _batch = [];

    readonly record struct Pair(EntryIndex? Old, EntryIndex? New);

    // The directory being compared: what is left of its children on both sides.
    Pair _current;
    int _oldNext, _oldEnd, _newNext, _newEnd;
    bool _listingChanged;

    ManifestDiff(Manifest old, Manifest @new)
    {
        _old = old;
        _new = @new;
    }

    /// <summary>
    /// The changes of each directory in byte order of names, a directory before those below it. The two manifests should be
    /// of the same dataset; of different ones the answer is right but long.
    /// </summary>
    public static IEnumerable<ManifestChange> Compare(Manifest old, Manifest @new) =>
        old.Id == @new.Id ? [] : new ManifestDiff(old, @new).Run();

    IEnumerable<ManifestChange> Run()
    {
        ManifestEntry before = _old.Get(EntryIndex.Root), after = _new.Get(EntryIndex.Root);
        if (before with { Source = 0 } != after with { Source = 0 }) yield return new ManifestChange(ManifestChangeKind.Attributes, EntryIndex.Root, EntryIndex.Root, false);
        _directories.Push(new Pair(EntryIndex.Root, EntryIndex.Root));
        while (_directories.TryPop(out _current))
        {
            (_oldNext, _oldEnd) = Range(_old, _current.Old);
            (_newNext, _newEnd) = Range(_new, _current.New);
            _listingChanged = false;
            while (_oldNext < _oldEnd || _newNext < _newEnd)
            {
                _batch.Clear();
                CompareChildren();
                foreach (ManifestChange change in _batch) yield return change;
            }
            if (_listingChanged && _current is { Old: not null, New: not null })
                yield return new ManifestChange(ManifestChangeKind.Listing, _current.Old, _current.New, false);
        }
    }

    static (int First, int End) Range(Manifest manifest, EntryIndex? directory)
    {
        if (directory is not EntryIndex entry) return (0, 0);
        (EntryIndex first, int count) = manifest.Children(entry);
        return (first.Value, first.Value + count);
    }

    void CompareChildren()
    {
        NameReader oldNames = _old.ReadNames(new EntryIndex(_oldNext)), newNames = _new.ReadNames(new EntryIndex(_newNext));
        if (_oldNext < _oldEnd) oldNames.Next();
        if (_newNext < _newEnd) newNames.Next();
        while ((_oldNext < _oldEnd || _newNext < _newEnd) && _batch.Count < BatchSize)
        {
            int order = _oldNext == _oldEnd ? 1 : _newNext == _newEnd ? -1 : oldNames.Name.SequenceCompareTo(newNames.Name);
            Take(order <= 0 ? new EntryIndex(_oldNext) : null, order >= 0 ? new EntryIndex(_newNext) : null);
            if (order <= 0 && ++_oldNext < _oldEnd) oldNames.Next();
            if (order >= 0 && ++_newNext < _newEnd) newNames.Next();
        }
    }

    void Take(EntryIndex? old, EntryIndex? @new)
    {
        ManifestEntry? before = old is EntryIndex o ? _old.Get(o) : null;
        ManifestEntry? after = @new is EntryIndex n ? _new.Get(n) : null;
        if (before is null || after is null || before.Value.Node != after.Value.Node || before.Value.Kind != after.Value.Kind)
        {
            ManifestChangeKind kind = before is null ? ManifestChangeKind.Added : after is null ? ManifestChangeKind.Removed : ManifestChangeKind.Replaced;
            _batch.Add(new ManifestChange(kind, old, @new, _current is not { Old: not null, New: not null }));
            _listingChanged = true;
        }
        // The ordinal of the source is of no concern to those who hold the node.
        else if (before.Value with { Source = 0 } != after.Value with { Source = 0 })
        {
            _batch.Add(new ManifestChange(ManifestChangeKind.Attributes, old, @new, false));
        }
        EntryIndex? oldDirectory = before is { Kind: EntryKind.Directory } ? old : null;
        EntryIndex? newDirectory = after is { Kind: EntryKind.Directory } ? @new : null;
        if (oldDirectory is not null || newDirectory is not null) _directories.Push(new Pair(oldDirectory, newDirectory));
    }
}
