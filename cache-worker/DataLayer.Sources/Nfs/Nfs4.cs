namespace DataLayer.Sources.Nfs;

/// <summary>
/// NFS version 4.0 (RFC 7530). Files are read with the anonymous stateid (section 9.1.4.3), without opening them: no client
/// id, no lease, no lock state on the server, so nothing has to be recovered after its restart and any number of
/// connections can be made without a name and verifier of their own.
/// </summary>
internal sealed class Nfs4(NfsOwners owners) : NfsProtocol
{
    public const int HandleLimit = 128;

    const uint OpGetAttr = 9, OpGetFh = 10, OpLookup = 15, OpPutFh = 22, OpPutRootFh = 24, OpRead = 25, OpReadDir = 26, OpReadLink = 27;

    const int LinkLimit = 64 * 1024, AttributesLimit = 64 * 1024;

    public override uint Version => 4;

    public override uint Procedure(NfsOperation operation) => 1; // COMPOUND

    public override void WriteGetRoot(ref XdrWriter writer)
    {
        Begin(ref writer, 3);
        writer.WriteUInt32(OpPutRootFh);
        writer.WriteUInt32(OpGetFh);
        WriteGetAttr(ref writer, Nfs4Attributes.OfFile);
    }

    public override void ReadGetRoot(ref XdrReader reader, LookupReply reply)
    {
        reply.Status = Open(ref reader);
        if (Next(ref reader, OpPutRootFh, reply) && Next(ref reader, OpGetFh, reply)) reply.Handle = reader.ReadOpaque(HandleLimit).ToArray();
        ReadGetAttr(ref reader, reply);
    }

    public override void WriteGetLimits(ref XdrWriter writer, byte[] handle) => WriteGetAttributes(ref writer, handle, Nfs4Attributes.OfServer);

    public override void ReadGetLimits(ref XdrReader reader, LimitsReply reply)
    {
        reply.Status = Open(ref reader);
        if (!Next(ref reader, OpPutFh, reply) || !Next(ref reader, OpGetAttr, reply)) return;
        Nfs4Attributes attributes = Nfs4Attributes.Read(ref reader, AttributesLimit, owners);
        reply.Attributes = attributes.Common;
        reply.MaxRead = attributes.MaxRead;
    }

    public override void WriteGetAttributes(ref XdrWriter writer, byte[] handle) => WriteGetAttributes(ref writer, handle, Nfs4Attributes.OfFile);

    public override void ReadGetAttributes(ref XdrReader reader, NfsReply reply)
    {
        reply.Status = Open(ref reader);
        Next(ref reader, OpPutFh, reply);
        ReadGetAttr(ref reader, reply);
    }

    public override void WriteLookup(ref XdrWriter writer, byte[] directory, ReadOnlySpan<byte> name)
    {
        Begin(ref writer, 4);
        WritePutFh(ref writer, directory);
        writer.WriteUInt32(OpLookup);
        writer.WriteOpaque(name);
        writer.WriteUInt32(OpGetFh);
        WriteGetAttr(ref writer, Nfs4Attributes.OfFile);
    }

    public override void ReadLookup(ref XdrReader reader, LookupReply reply)
    {
        reply.Status = Open(ref reader);
        if (!Next(ref reader, OpPutFh, reply) || !Next(ref reader, OpLookup, reply)) return;
        if (Next(ref reader, OpGetFh, reply)) reply.Handle = reader.ReadOpaque(HandleLimit).ToArray();
        ReadGetAttr(ref reader, reply);
    }

    public override void WriteReadLink(ref XdrWriter writer, byte[] handle)
    {
        Begin(ref writer, 2);
        WritePutFh(ref writer, handle);
        writer.WriteUInt32(OpReadLink);
    }

    public override void ReadReadLink(ref XdrReader reader, LinkReply reply)
    {
        reply.Status = Open(ref reader);
        if (Next(ref reader, OpPutFh, reply) && Next(ref reader, OpReadLink, reply)) reply.Target = reader.ReadOpaque(LinkLimit).ToArray();
    }

    public override void WriteRead(ref XdrWriter writer, byte[] handle, long offset, int count)
    {
        Begin(ref writer, 3);
        WritePutFh(ref writer, handle);
        writer.WriteUInt32(OpRead);
        writer.WriteZeros(16); // the anonymous stateid
        writer.WriteUInt64((ulong)offset);
        writer.WriteUInt32((uint)count);
        WriteGetAttr(ref writer, Nfs4Attributes.OfFile);
    }

    public override ReadOnlySpan<byte> ReadRead(ref XdrReader reader, int asked, NfsReply reply)
    {
        reply.Status = Open(ref reader);
        if (!Next(ref reader, OpPutFh, reply) || !Next(ref reader, OpRead, reply)) return [];
        _ = reader.ReadBool(); // end of file: the size tells
        ReadOnlySpan<byte> bytes = reader.ReadOpaque(asked);
        ReadGetAttr(ref reader, reply);
        return bytes;
    }

    public override void WriteReadDirectory(ref XdrWriter writer, byte[] handle, ulong cookie, ulong verifier)
    {
        Begin(ref writer, 3);
        WritePutFh(ref writer, handle);
        WriteGetAttr(ref writer, Nfs4Attributes.OfFile);
        writer.WriteUInt32(OpReadDir);
        writer.WriteUInt64(cookie);
        writer.WriteUInt64(verifier);
        writer.WriteUInt32(PageBytes);
        writer.WriteUInt32(PageBytes);
        Nfs4Attributes.WriteBitmap(ref writer, Nfs4Attributes.OfEntry);
    }

    public override void ReadReadDirectory(ref XdrReader reader, DirectoryReply reply)
    {
        reply.Status = Open(ref reader);
        Next(ref reader, OpPutFh, reply);
        ReadGetAttr(ref reader, reply);
        if (!Next(ref reader, OpReadDir, reply)) return;
        reply.Verifier = reader.ReadUInt64();
        while (reader.ReadBool())
        {
            reply.Cookie = reader.ReadUInt64();
            byte[]? name = ReadName(ref reader);
            Nfs4Attributes attributes = Nfs4Attributes.Read(ref reader, AttributesLimit, owners);
            if (name is not null) reply.Items.Add(new DirectoryItem(name, attributes.Error, attributes.Handle, attributes.Common));
        }
        reply.IsEnd = reader.ReadBool();
    }

    static void Begin(ref XdrWriter writer, uint operations)
    {
        writer.WriteOpaque([]); // tag
        writer.WriteUInt32(0); // minor version
        writer.WriteUInt32(operations);
    }

    static void WritePutFh(ref XdrWriter writer, byte[] handle)
    {
        writer.WriteUInt32(OpPutFh);
        writer.WriteOpaque(handle);
    }

    static void WriteGetAttr(ref XdrWriter writer, ulong attributes)
    {
        writer.WriteUInt32(OpGetAttr);
        Nfs4Attributes.WriteBitmap(ref writer, attributes);
    }

    static void WriteGetAttributes(ref XdrWriter writer, byte[] handle, ulong attributes)
    {
        Begin(ref writer, 2);
        WritePutFh(ref writer, handle);
        WriteGetAttr(ref writer, attributes);
    }

    static NfsStatus Open(ref XdrReader reader)
    {
        NfsStatus status = (NfsStatus)reader.ReadUInt32();
        _ = reader.ReadOpaque(1024); // tag
        _ = reader.ReadUInt32(); // results: those up to the first failure
        return status;
    }

    /// <summary>Steps into the next result. False when an operation failed: nothing follows then (section 15.2.3).</summary>
    static bool Next(ref XdrReader reader, uint operation, NfsReply reply)
    {
        if (reply.Status != NfsStatus.Ok && reader.Left == 0) return false;
        uint found = reader.ReadUInt32();
        NfsStatus status = (NfsStatus)reader.ReadUInt32();
        if (found != operation) throw new XdrException($"the result of operation {found} in place of {operation}'s");
        if (status == NfsStatus.Ok) return true;
        if (reply.Status != status) throw new XdrException($"a compound with status {reply.Status} that ends with {status}");
        return false;
    }

    void ReadGetAttr(ref XdrReader reader, NfsReply reply)
    {
        if (Next(ref reader, OpGetAttr, reply)) reply.Attributes = Nfs4Attributes.Read(ref reader, AttributesLimit, owners).Common;
    }
}
