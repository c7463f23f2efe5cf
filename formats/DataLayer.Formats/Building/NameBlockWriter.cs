namespace DataLayer.Formats;

/// <summary>Front-codes names in blocks, see <see cref="Section.Names"/>.</summary>
internal sealed class NameBlockWriter(ManifestColumns columns)
{
    readonly byte[] _last = new byte[ManifestFormat.MaxName];
    int _lastLength;

    internal void Add(int entry, ReadOnlySpan<byte> name)
    {
        if ((entry & (ManifestFormat.BlockEntries - 1)) == 0)
        {
            columns.NameBlock.Add((ulong)columns.Names.Length);
            columns.Names.Append([(byte)name.Length]);
            columns.Names.Append(name);
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

    internal void Finish() => columns.NameBlock.Add((ulong)columns.Names.Length);
}
