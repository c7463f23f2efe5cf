using System.Buffers.Binary;

namespace DataLayer.Formats;

/// <summary>Front-coded names of one block, read forward.</summary>
/// <exception cref="ManifestException">From any member: the block contradicts itself.</exception>
internal ref struct NameBlockReader(MappedPages pages, ReadOnlySpan<byte> block)
{
    ReadOnlySpan<byte> _rest = block;
    bool _started;
    int _length;

    /// <summary>The first name of a block.</summary>
    internal readonly ReadOnlySpan<byte> Head =>
        !_rest.IsEmpty && _rest[0] < _rest.Length ? _rest.Slice(1, _rest[0]) : throw CutShort();

    /// <summary>Eight bytes of a name from <paramref name="shared"/> on, padded with zeros; in the order of the names.</summary>
    internal static ulong Fence(ReadOnlySpan<byte> name, int shared)
    {
        ReadOnlySpan<byte> rest = name[Math.Min(shared, name.Length)..];
        if (rest.Length >= 8) return BinaryPrimitives.ReadUInt64BigEndian(rest);
        ulong fence = 0;
        foreach (byte b in rest) fence = (fence << 8) | b;
        return fence << (8 * (8 - rest.Length) & 63);
    }

    /// <summary>Steps to the next name: it begins with the first <paramref name="shared"/> bytes of the one before.</summary>
    internal void Next(out int shared, out ReadOnlySpan<byte> suffix)
    {
        int header = _started ? 2 : 1;
        if (_rest.Length < header) throw CutShort();
        shared = _started ? _rest[0] : 0;
        int length = _rest[header - 1];
        if (length > _rest.Length - header || shared > _length || shared + length > ManifestFormat.MaxName) throw CutShort();
        suffix = _rest.Slice(header, length);
        _rest = _rest[(header + length)..];
        _length = shared + length;
        _started = true;
    }

    /// <summary>
    /// Position of <paramref name="name"/> among the block's names from <paramref name="first"/> to before
    /// <paramref name="end"/>, or -1. Copies nothing: of the name before, only how much it has in common with ours is
    /// known, and that suffices. A new name that shares more than that differs from ours where the one before did.
    /// </summary>
    internal int Find(ReadOnlySpan<byte> name, int first, int end)
    {
        int common = 0;
        for (int i = 0; i < end; i++)
        {
            Next(out int shared, out ReadOnlySpan<byte> suffix);
            if (shared > common) continue;
            common = shared + suffix.CommonPrefixLength(name[shared..]);
            if (i >= first && common == name.Length && _length == name.Length) return i;
        }
        return -1;
    }

    readonly ManifestException CutShort() => pages.Damaged("a block of names is cut short");
}
