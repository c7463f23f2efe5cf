namespace DataLayer.Sources.Nfs;

/// <summary>NFS version 3 (RFC 1813).</summary>
internal sealed class Nfs3 : NfsProtocol
{
    public const int HandleLimit = 64;

    const int LinkLimit = 64 * 1024;

    public override uint Version => 3;

    public override uint Procedure(NfsOperation operation) => operation switch
    {
        NfsOperation.GetAttributes => 1,
        NfsOperation.Lookup => 3,
        NfsOperation.ReadLink => 5,
        NfsOperation.Read => 6,
        NfsOperation.ReadDirectory => 17, // READDIRPLUS
        NfsOperation.GetLimits => 19, // FSINFO
        _ => throw new ArgumentOutOfRangeException(nameof(operation)),
    };

    public override void WriteGetRoot(ref XdrWriter writer) => throw new NotSupportedException();

    public override void ReadGetRoot(ref XdrReader reader, LookupReply reply) => throw new NotSupportedException();

    public override void WriteGetLimits(ref XdrWriter writer, byte[] handle) => writer.WriteOpaque(handle);

    public override void ReadGetLimits(ref XdrReader reader, LimitsReply reply)
    {
        reply.Status = (NfsStatus)reader.ReadUInt32();
        reply.Attributes = ReadOptionalAttributes(ref reader);
        if (reply.Status == NfsStatus.Ok) reply.MaxRead = reader.ReadUInt32();
    }

    public override void WriteGetAttributes(ref XdrWriter writer, byte[] handle) => writer.WriteOpaque(handle);

    public override void ReadGetAttributes(ref XdrReader reader, NfsReply reply)
    {
        reply.Status = (NfsStatus)reader.ReadUInt32();
        if (reply.Status == NfsStatus.Ok) reply.Attributes = ReadAttributes(ref reader);
    }

    public override void WriteLookup(ref XdrWriter writer, byte[] directory, ReadOnlySpan<byte> name)
    {
        writer.WriteOpaque(directory);
        writer.WriteOpaque(name);
    }

    public override void ReadLookup(ref XdrReader reader, LookupReply reply)
    {
        reply.Status = (NfsStatus)reader.ReadUInt32();
        if (reply.Status != NfsStatus.Ok) return;
        reply.Handle = reader.ReadOpaque(HandleLimit).ToArray();
        reply.Attributes = ReadOptionalAttributes(ref reader);
    }

    public override void WriteReadLink(ref XdrWriter writer, byte[] handle) => writer.WriteOpaque(handle);

    public override void ReadReadLink(ref XdrReader reader, LinkReply reply)
    {
        reply.Status = (NfsStatus)reader.ReadUInt32();
        reply.Attributes = ReadOptionalAttributes(ref reader);
        if (reply.Status == NfsStatus.Ok) reply.Target = reader.ReadOpaque(LinkLimit).ToArray();
    }

    public override void WriteRead(ref XdrWriter writer, byte[] handle, long offset, int count)
    {
        writer.WriteOpaque(handle);
        writer.WriteUInt64((ulong)offset);
        writer.WriteUInt32((uint)count);
    }

    public override ReadOnlySpan<byte> ReadRead(ref XdrReader reader, int asked, NfsReply reply)
    {
        reply.Status = (NfsStatus)reader.ReadUInt32();
        reply.Attributes = ReadOptionalAttributes(ref reader);
        if (reply.Status != NfsStatus.Ok) return [];
        uint count = reader.ReadUInt32();
        _ = reader.ReadBool(); // end of file: the size tells
        ReadOnlySpan<byte> bytes = reader.ReadOpaque(asked);
        return bytes.Length == count ? bytes : throw new XdrException($"{count} bytes announced and {bytes.Length} sent");
    }

    public override void WriteReadDirectory(ref XdrWriter writer, byte[] handle, ulong cookie, ulong verifier)
    {
        writer.WriteOpaque(handle);
        writer.WriteUInt64(cookie);
        writer.WriteUInt64(verifier);
        // Names and cookies alone, then everything: servers stop at whichever comes first.
        writer.WriteUInt32(PageBytes);
        writer.WriteUInt32(PageBytes);
    }

    public override void ReadReadDirectory(ref XdrReader reader, DirectoryReply reply)
    {
        reply.Status = (NfsStatus)reader.ReadUInt32();
        reply.Attributes = ReadOptionalAttributes(ref reader);
        if (reply.Status != NfsStatus.Ok) return;
        reply.Verifier = reader.ReadUInt64();
        while (reader.ReadBool())
        {
            reader.Skip(8); // file id: among the attributes
            byte[]? name = ReadName(ref reader);
            reply.Cookie = reader.ReadUInt64();
            NfsAttributes? attributes = ReadOptionalAttributes(ref reader);
            byte[]? handle = reader.ReadBool() ? reader.ReadOpaque(HandleLimit).ToArray() : null;
            if (name is not null) reply.Items.Add(new DirectoryItem(name, NfsStatus.Ok, handle, attributes));
        }
        reply.IsEnd = reader.ReadBool();
    }

    static NfsAttributes? ReadOptionalAttributes(ref XdrReader reader) => reader.ReadBool() ? ReadAttributes(ref reader) : null;

    /// <summary>fattr3.</summary>
    static NfsAttributes ReadAttributes(ref XdrReader reader)
    {
        NfsType type = (NfsType)reader.ReadUInt32();
        int mode = (int)(reader.ReadUInt32() & 0xFFF);
        reader.Skip(4); // links
        uint uid = reader.ReadUInt32();
        uint gid = reader.ReadUInt32();
        ulong size = reader.ReadUInt64();
        reader.Skip(8 + 8 + 8); // used, device, filesystem id
        ulong fileId = reader.ReadUInt64();
        reader.Skip(8); // access time
        long mtime = NfsAttributes.Nanoseconds(reader.ReadUInt32(), reader.ReadUInt32());
        long ctime = NfsAttributes.Nanoseconds(reader.ReadUInt32(), reader.ReadUInt32());
        return new NfsAttributes(type, mode, uid, gid, NfsAttributes.ClampSize(size), fileId, mtime, ctime);
    }
}
