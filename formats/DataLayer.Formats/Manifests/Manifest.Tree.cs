namespace DataLayer.Formats;

public sealed partial class Manifest
{
    readonly SectionRow _names;
    readonly Column _nameOffset;
    readonly Column _nameFence;
    readonly Column _directoryFirst;
    readonly Column _directoryEntry;
    readonly Column _directoryShared;
    readonly Column _nodeTable;

    /// <summary>False when the snapshot has no such node. About one cache miss per probe, 3 to 4 probes.</summary>
    public bool TryFindNode(NodeId node, out EntryIndex entry)
    {
        entry = EntryIndex.Root;
        if (node == NodeId.Root) return true;
        long slot = (long)Math.BigMul(node.Value, (ulong)_meta.NodeSlots, out _);
        long end = Math.Min(slot + _meta.NodeProbe + 1, _nodeTable.Count);
        for (; slot < end; slot++)
        {
            ulong candidate = _nodeTable[(int)slot];
            if (candidate == 0) return false;
            if (candidate >= (ulong)EntryCount) throw _pages.Damaged("its node table points outside the entries");
            ulong id = _node[(int)candidate];
            if (id == node.Value)
            {
                entry = new EntryIndex((int)candidate);
                return true;
            }
            // The table is in the order of the ids.
            if (id > node.Value) return false;
        }
        return false;
    }

    /// <summary>The children of a directory are consecutive entries in byte order of their names.</summary>
    /// <exception cref="ArgumentException">Not a directory.</exception>
    public (EntryIndex First, int Count) Children(EntryIndex directory) => Children(directory, out _);

    (EntryIndex First, int Count) Children(EntryIndex directory, out int shared)
    {
        if (ClassOf(directory.Value).Kind != EntryKind.Directory)
            throw new ArgumentException($"Entry {directory.Value} is not a directory.", nameof(directory));
        ulong number = _size[directory.Value];
        if (number >= (ulong)_meta.DirectoryCount || _directoryEntry[(int)number] != (ulong)directory.Value)
            throw _pages.Damaged($"directory {directory.Value} has a wrong number");
        ulong first = _directoryFirst[(int)number], end = _directoryFirst[(int)number + 1];
        // Children follow their directory: that makes every walk up or down end.
        if (first > end || end > (ulong)EntryCount || (first < end && first <= (ulong)directory.Value))
            throw _pages.Damaged($"the children of directory {directory.Value} lie outside the entries");
        shared = (int)Math.Min(_directoryShared[(int)number], ManifestFormat.MaxName);
        return (new EntryIndex((int)first), (int)(end - first));
    }

    /// <summary>False when the directory has no such child. Allocates nothing.</summary>
    /// <exception cref="ArgumentException">Not a directory.</exception>
    public bool TryLookup(EntryIndex directory, ReadOnlySpan<byte> name, out EntryIndex entry)
    {
        entry = default;
        (EntryIndex first, int count) = Children(directory, out int shared);
        if (count == 0 || name.IsEmpty || name.Length > ManifestFormat.MaxName) return false;

        // The last block whose first name is not behind ours; the block of the first child may begin in another directory.
        // The fences decide without touching the names, but for ties. They leave out what all names share: should ours not
        // share it, the search ends at some block and the scan finds nothing there either.
        ulong fence = NameBlockReader.Fence(name, shared);
        int low = first.Value >> ManifestFormat.BlockShift;
        int high = (first.Value + count - 1) >> ManifestFormat.BlockShift;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            ulong other = _nameFence[middle];
            if (other < fence || (other == fence && NameBlock(middle).Head.SequenceCompareTo(name) <= 0)) low = middle;
            else high = middle - 1;
        }

        int blockStart = low << ManifestFormat.BlockShift;
        NameBlockReader reader = NameBlock(low);
        int end = Math.Min(first.Value + count, blockStart + ManifestFormat.BlockEntries);
        int found = reader.Find(name, first.Value - blockStart, end - blockStart);
        if (found < 0) return false;
        entry = new EntryIndex(blockStart + found);
        return true;
    }

    /// <summary>The directory an entry stands in; the root for the root.</summary>
    public EntryIndex Parent(EntryIndex entry)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)entry.Value, (uint)EntryCount);
        if (entry == EntryIndex.Root) return entry;
        // The last directory whose children begin at or before the entry.
        int low = 0, high = _meta.DirectoryCount - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (_directoryFirst[middle] <= (ulong)entry.Value) low = middle;
            else high = middle - 1;
        }
        ulong parent = _directoryEntry[low];
        if (parent >= (ulong)entry.Value) throw _pages.Damaged($"entry {entry.Value} stands before its directory");
        return new EntryIndex((int)parent);
    }

    /// <summary>Decodes names of consecutive entries without re-reading what they share.</summary>
    /// <param name="first">May equal <see cref="EntryCount"/>: then there is nothing to read.</param>
    public NameReader ReadNames(EntryIndex first)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)first.Value, (uint)EntryCount);
        return new NameReader(this, first.Value);
    }

    /// <summary>Path below the mount's root, '/'-separated, no leading '/'; empty for the root.</summary>
    public byte[] GetPath(EntryIndex entry)
    {
        Span<byte> buffer = stackalloc byte[ManifestFormat.MaxPath];
        return CopyPath(entry.Value, buffer).ToArray();
    }

    /// <summary>The path, at the end of <paramref name="buffer"/>.</summary>
    /// <param name="buffer"><see cref="ManifestFormat.MaxPath"/> bytes.</param>
    internal ReadOnlySpan<byte> CopyPath(int entry, Span<byte> buffer)
    {
        int start = buffer.Length;
        for (EntryIndex at = new(entry); at != EntryIndex.Root; at = Parent(at))
        {
            NameReader reader = ReadNames(at);
            reader.Next();
            ReadOnlySpan<byte> name = reader.Name;
            int separator = start < buffer.Length ? 1 : 0;
            // Sources get this path as a key: no name may lead out of its directory.
            if (!IsComponent(name) || name.Length + separator > start) throw _pages.Damaged($"the path of entry {entry} is impossible");
            if (separator == 1) buffer[--start] = (byte)'/';
            start -= name.Length;
            name.CopyTo(buffer[start..]);
        }
        return buffer[start..];
    }

    static bool IsComponent(ReadOnlySpan<byte> name) =>
        !name.IsEmpty && name.IndexOfAny((byte)'/', (byte)0) < 0 && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);

    internal NameBlockReader NameBlock(int block)
    {
        ulong start = _nameOffset[block], end = _nameOffset[block + 1];
        if (start > end || end > (ulong)_names.Count || end - start > ManifestFormat.MaxNameBlock)
            throw _pages.Damaged($"block {block} of its names lies outside its section");
        return new NameBlockReader(_pages, _pages.Span(_names.Offset + (long)start, (int)(end - start)));
    }
}
