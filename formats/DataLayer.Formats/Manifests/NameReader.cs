using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace DataLayer.Formats;

/// <summary>Walks names forward. <c>while (reader.Next()) use(reader.Name);</c> Valid on one stack only.</summary>
public ref struct NameReader
{
    [InlineArray(ManifestFormat.MaxName)]
    struct NameBuffer
    {
        byte _first;
    }

    readonly Manifest _manifest;
    NameBlockReader _block;
    NameBuffer _name;
    int _length;
    int _next;

    internal NameReader(Manifest manifest, int first)
    {
        _manifest = manifest;
        _next = first & ~(ManifestFormat.BlockEntries - 1);
        while (_next < first) Next();
    }

    /// <summary>Moves to the next entry (the first call: to the one asked for). False past the last entry of the manifest.</summary>
    public bool Next()
    {
        if (_next >= _manifest.EntryCount) return false;
        if ((_next & (ManifestFormat.BlockEntries - 1)) == 0) _block = _manifest.NameBlock(_next >> ManifestFormat.BlockShift);
        _block.Next(out int shared, out ReadOnlySpan<byte> suffix);
        suffix.CopyTo(((Span<byte>)_name)[shared..]);
        _length = shared + suffix.Length;
        _next++;
        return true;
    }

    [UnscopedRef]
    public readonly ReadOnlySpan<byte> Name => ((ReadOnlySpan<byte>)_name)[.._length];
}
