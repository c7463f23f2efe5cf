using System.Globalization;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.FuseFs;

/// <summary>
/// The attributes of --xattr: <c>user.datalayer.source</c> (source and key), <c>.etag</c> (the version as the source has
/// it) and <c>.cached</c> (bytes of the file in the local cache). Files only.
/// </summary>
static class VirtualXattrs
{
    static ReadOnlySpan<byte> AllNames => "user.datalayer.source\0user.datalayer.etag\0user.datalayer.cached\0"u8;

    public static ReadOnlySpan<byte> Names(EntryKind kind) => kind == EntryKind.File ? AllNames : [];

    /// <returns>Null when the entry has no such attribute.</returns>
    public static byte[]? Get(MountedSnapshot snapshot, EntryIndex entry, ReadOnlySpan<byte> name)
    {
        Manifest manifest = snapshot.Manifest;
        ManifestEntry found = manifest.Get(entry);
        if (found.Kind != EntryKind.File) return null;
        if (name.SequenceEqual("user.datalayer.source"u8))
            return [.. Encoding.UTF8.GetBytes(manifest.Sources[found.Source].Identity), (byte)'/', .. manifest.GetSourceFile(entry).Key];
        if (name.SequenceEqual("user.datalayer.etag"u8)) return Printable(manifest.GetSourceFile(entry).VersionTag);
        if (name.SequenceEqual("user.datalayer.cached"u8))
            return Encoding.ASCII.GetBytes(snapshot.Reader.CachedBytes(manifest.Locate(entry)).ToString(CultureInfo.InvariantCulture));
        return null;
    }

    /// <summary>An object store's etag is text already; a directory's identity is binary and shown in hex.</summary>
    static byte[] Printable(byte[] tag)
    {
        int end = tag.AsSpan().IndexOf((byte)0);
        ReadOnlySpan<byte> text = end > 0 ? tag.AsSpan(0, end) : tag;
        foreach (byte b in text)
            if (b is < 0x21 or > 0x7e) return Encoding.ASCII.GetBytes(Convert.ToHexStringLower(tag));
        return text.ToArray();
    }
}
