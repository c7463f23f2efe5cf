using System.Buffers.Binary;
using DataLayer.Formats;

namespace DataLayer.Sources.Odps;

/// <summary>
/// What an entry of the manifest stands for, as its version tag says it: all that is needed to read it, together with the
/// files that <see cref="TableFolders"/> keeps.
/// <list type="bullet">
/// <item>'F', n, tag: a file of the source below, whose key there lacks the last n bytes of the key here.</item>
/// <item>'S', digest: stored bytes, such as <c>schema.json</c>.</item>
/// <item>'V', digest, format, start: bytes of a row view of the stored table with that digest, from start on.</item>
/// </list>
/// </summary>
static class DerivedFile
{
    const byte FileKind = (byte)'F', StoredKind = (byte)'S', ViewKind = (byte)'V';
    const int ViewSize = 1 + Digest.Size + 1 + 8;

    public static byte[] FileTag(byte[] tag, int added) => [FileKind, (byte)added, .. tag];

    public static byte[] StoredTag(Digest content)
    {
        byte[] tag = new byte[1 + Digest.Size];
        tag[0] = StoredKind;
        content.Write(tag.AsSpan(1));
        return tag;
    }

    public static byte[] ViewTag(Digest table, RowFormat format, long start)
    {
        byte[] tag = new byte[ViewSize];
        tag[0] = ViewKind;
        table.Write(tag.AsSpan(1));
        tag[1 + Digest.Size] = (byte)format;
        BinaryPrimitives.WriteInt64LittleEndian(tag.AsSpan(2 + Digest.Size), start);
        return tag;
    }

    public static bool TryParseFile(in SourceFile file, out SourceFile below)
    {
        below = default;
        if (file.VersionTag is not [FileKind, var added, ..] || added > file.Key.Length) return false;
        below = new SourceFile(file.Key[..^added], file.Size, file.VersionTag[2..]);
        return true;
    }

    public static bool TryParseStored(byte[] tag, out Digest content)
    {
        bool matches = tag.Length == 1 + Digest.Size && tag[0] == StoredKind;
        content = matches ? Digest.Read(tag.AsSpan(1)) : default;
        return matches;
    }

    public static bool TryParseView(byte[] tag, out Digest table, out RowFormat format, out long start)
    {
        bool matches = tag.Length == ViewSize && tag[0] == ViewKind;
        table = matches ? Digest.Read(tag.AsSpan(1)) : default;
        format = matches ? (RowFormat)tag[1 + Digest.Size] : default;
        start = matches ? BinaryPrimitives.ReadInt64LittleEndian(tag.AsSpan(2 + Digest.Size)) : 0;
        return matches && start >= 0 && format <= RowFormat.Csv;
    }
}
