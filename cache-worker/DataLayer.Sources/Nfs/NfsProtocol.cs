namespace DataLayer.Sources.Nfs;

internal enum NfsOperation
{
    /// <summary>Version 4: the root of what the server shows. (Version 3 has the mount service for it.)</summary>
    GetRoot,
    GetLimits,
    GetAttributes,
    Lookup,
    ReadLink,
    Read,
    ReadDirectory,
}

/// <summary>How one protocol version writes its calls and what it answers. Stateless.</summary>
internal abstract class NfsProtocol
{
    public const uint Program = 100003;

    /// <summary>
    /// Bytes of one directory page. At about 150 bytes an entry some 1,700 of them: enough to hide the round trip, small
    /// enough that 16 directories at once stay below 10 MB here.
    /// </summary>
    protected const int PageBytes = 256 * 1024;

    /// <summary>Servers allow 255; POSIX's limit of a whole path is the most that can be of use.</summary>
    const int NameLimit = 4095;

    public abstract uint Version { get; }

    public abstract uint Procedure(NfsOperation operation);

    public abstract void WriteGetRoot(ref XdrWriter writer);

    public abstract void ReadGetRoot(ref XdrReader reader, LookupReply reply);

    public abstract void WriteGetLimits(ref XdrWriter writer, byte[] handle);

    public abstract void ReadGetLimits(ref XdrReader reader, LimitsReply reply);

    public abstract void WriteGetAttributes(ref XdrWriter writer, byte[] handle);

    public abstract void ReadGetAttributes(ref XdrReader reader, NfsReply reply);

    public abstract void WriteLookup(ref XdrWriter writer, byte[] directory, ReadOnlySpan<byte> name);

    public abstract void ReadLookup(ref XdrReader reader, LookupReply reply);

    public abstract void WriteReadLink(ref XdrWriter writer, byte[] handle);

    public abstract void ReadReadLink(ref XdrReader reader, LinkReply reply);

    public abstract void WriteRead(ref XdrWriter writer, byte[] handle, long offset, int count);

    /// <param name="asked">Bytes.</param>
    /// <returns>The bytes read; they are the reader's.</returns>
    public abstract ReadOnlySpan<byte> ReadRead(ref XdrReader reader, int asked, NfsReply reply);

    /// <param name="cookie">0 for the first page; then <see cref="DirectoryReply.Cookie"/>.</param>
    /// <param name="verifier">0 for the first page; then <see cref="DirectoryReply.Verifier"/>.</param>
    public abstract void WriteReadDirectory(ref XdrWriter writer, byte[] handle, ulong cookie, ulong verifier);

    public abstract void ReadReadDirectory(ref XdrReader reader, DirectoryReply reply);

    /// <returns>Null for '.' and '..'.</returns>
    /// <exception cref="XdrException">A name that no directory can hold, and that would be taken for a path here.</exception>
    protected static byte[]? ReadName(ref XdrReader reader)
    {
        ReadOnlySpan<byte> name = reader.ReadOpaque(NameLimit);
        if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) return null;
        if (name.IsEmpty || name.ContainsAny((byte)'/', (byte)0)) throw new XdrException("a directory entry whose name is empty or holds '/' or NUL");
        return name.ToArray();
    }
}

internal class NfsReply
{
    public NfsStatus Status { get; set; }

    /// <summary>Of the thing asked for, as they were after the operation. Null when the server did not give them.</summary>
    public NfsAttributes? Attributes { get; set; }
}

internal sealed class LookupReply : NfsReply
{
    public byte[] Handle { get; set; } = [];
}

internal sealed class LimitsReply : NfsReply
{
    /// <summary>Bytes of one read.</summary>
    public long MaxRead { get; set; }
}

internal sealed class LinkReply : NfsReply
{
    public byte[] Target { get; set; } = [];
}

internal sealed class DirectoryReply : NfsReply
{
    public List<DirectoryItem> Items { get; set; } = [];
    public ulong Cookie { get; set; }
    public ulong Verifier { get; set; }
    public bool IsEnd { get; set; }
}

/// <param name="Status">Not Ok: the server could not tell about this one entry.</param>
/// <param name="Handle">Null: not given; look it up.</param>
/// <param name="Attributes">Null: not given; look it up.</param>
internal readonly record struct DirectoryItem(byte[] Name, NfsStatus Status, byte[]? Handle, NfsAttributes? Attributes);
