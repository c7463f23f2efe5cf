namespace DataLayer.Formats;

/// <summary>Front-codes names in blocks, see <see cref="Section.Names"/>.</summary>
internal sealed class NameBlockWriter(TempFiles temp, ManifestColumns columns) : IDisposable
{
    // Length and bytes of the first name of each block.
    readonly Spool _heads = new(temp);
    readonly byte[] _last = new byte[ManifestFormat.MaxName];
    int _lastLength;

    internal void Add(int entry, ReadOnlySpan<byte> name)
    {
        if ((entry & (ManifestFormat.BlockEntries - 1)) == 0)
        {
            columns.NameOffset.Add((ulong)columns.Names.Length);
            foreach (Spool spool in (ReadOnlySpan<Spool>)[columns.Names, _heads])
            {
                spool.Append([(byte)name.Length]);
                spool.Append(name);
            }
        }
        else
        {
            int shared = name.CommonPrefixLength(_last.AsSpan(0, _lastLength));
            columns.Names.Append([(byte)shared, (byte)(name.Length - shared)]);
            columns.Names.Append(name[shared..]);
        }
        name.CopyTo(_last);
        _lastLength = name.Length;
    }

    /// <summary>Ends the blocks and writes their fences, for which the directories have to be complete.</summary>
    internal void Finish(int directories)
    {
        columns.NameOffset.Add((ulong)columns.Names.Length);
        Spool.Cursor heads = _heads.Open(), first = columns.DirectoryFirst.Open(), shared = columns.DirectoryShared.Open();
        // The root stands in no directory.
        int directory = -1;
        ulong sharedBytes = 0, next = first.TakeUInt64();
        for (ulong entry = 0; !heads.AtEnd; entry += ManifestFormat.BlockEntries)
        {
            while (directory + 1 < directories && next <= entry)
            {
                directory++;
                sharedBytes = shared.TakeUInt64();
                next = first.TakeUInt64();
            }
            int length = heads.Take(1)[0];
            columns.NameFence.Add(NameBlockReader.Fence(heads.Take(length), (int)sharedBytes));
        }
        columns.NameFence.Add(0);
    }

    public void Dispose() => _heads.Dispose();
}
