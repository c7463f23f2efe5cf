namespace DataLayer.Sources.Nfs;

/// <summary>One operation of either protocol version.</summary>
internal abstract class NfsCall(NfsProtocol protocol, NfsOperation operation) : RpcCall
{
    protected NfsProtocol Protocol => protocol;

    public override uint Program => NfsProtocol.Program;
    public override uint Version => protocol.Version;
    public override uint Procedure => protocol.Procedure(operation);

    public abstract NfsStatus Status { get; }
}

/// <summary>A call whose whole result is a reply object; a repeated call makes a new one.</summary>
internal abstract class NfsCall<TReply>(NfsProtocol protocol, NfsOperation operation) : NfsCall(protocol, operation)
    where TReply : NfsReply, new()
{
    public TReply Reply { get; protected set; } = new();

    public override NfsStatus Status => Reply.Status;

    public override void ReadReply(ref XdrReader reader)
    {
        TReply reply = new();
        Read(ref reader, reply);
        Reply = reply;
    }

    protected abstract void Read(ref XdrReader reader, TReply reply);
}

internal sealed class GetRootCall(NfsProtocol protocol) : NfsCall<LookupReply>(protocol, NfsOperation.GetRoot)
{
    public override void WriteArguments(ref XdrWriter writer) => Protocol.WriteGetRoot(ref writer);
    protected override void Read(ref XdrReader reader, LookupReply reply) => Protocol.ReadGetRoot(ref reader, reply);
}

internal sealed class GetLimitsCall(NfsProtocol protocol, byte[] handle) : NfsCall<LimitsReply>(protocol, NfsOperation.GetLimits)
{
    public override void WriteArguments(ref XdrWriter writer) => Protocol.WriteGetLimits(ref writer, handle);
    protected override void Read(ref XdrReader reader, LimitsReply reply) => Protocol.ReadGetLimits(ref reader, reply);
}

internal sealed class GetAttributesCall(NfsProtocol protocol, byte[] handle) : NfsCall<NfsReply>(protocol, NfsOperation.GetAttributes)
{
    public override void WriteArguments(ref XdrWriter writer) => Protocol.WriteGetAttributes(ref writer, handle);
    protected override void Read(ref XdrReader reader, NfsReply reply) => Protocol.ReadGetAttributes(ref reader, reply);
}

internal sealed class LookupCall(NfsProtocol protocol, byte[] directory, ReadOnlyMemory<byte> name) : NfsCall<LookupReply>(protocol, NfsOperation.Lookup)
{
    public override void WriteArguments(ref XdrWriter writer) => Protocol.WriteLookup(ref writer, directory, name.Span);
    protected override void Read(ref XdrReader reader, LookupReply reply) => Protocol.ReadLookup(ref reader, reply);
}

internal sealed class ReadLinkCall(NfsProtocol protocol, byte[] handle) : NfsCall<LinkReply>(protocol, NfsOperation.ReadLink)
{
    public override void WriteArguments(ref XdrWriter writer) => Protocol.WriteReadLink(ref writer, handle);
    protected override void Read(ref XdrReader reader, LinkReply reply) => Protocol.ReadReadLink(ref reader, reply);
}

internal sealed class ReadDirectoryCall(NfsProtocol protocol, byte[] handle, ulong cookie, ulong verifier) : NfsCall<DirectoryReply>(protocol, NfsOperation.ReadDirectory)
{
    public override void WriteArguments(ref XdrWriter writer) => Protocol.WriteReadDirectory(ref writer, handle, cookie, verifier);
    protected override void Read(ref XdrReader reader, DirectoryReply reply) => Protocol.ReadReadDirectory(ref reader, reply);
}

/// <param name="destination">The bytes go straight from libnfs's buffer to here.</param>
internal sealed class ReadCall(NfsProtocol protocol, byte[] handle, long offset, Memory<byte> destination) : NfsCall<NfsReply>(protocol, NfsOperation.Read)
{
    /// <summary>Bytes read; fewer than asked for is no error.</summary>
    public int Count { get; private set; }

    public override void WriteArguments(ref XdrWriter writer) => Protocol.WriteRead(ref writer, handle, offset, destination.Length);

    protected override void Read(ref XdrReader reader, NfsReply reply)
    {
        ReadOnlySpan<byte> bytes = Protocol.ReadRead(ref reader, destination.Length, reply);
        Count = Publish(bytes, destination) ? bytes.Length : 0;
    }
}
