namespace DataLayer.Sources.Nfs;

/// <summary>The mount service of NFS version 3 (RFC 1813, appendix I): from a path to its file handle.</summary>
/// <param name="path">As the server names it.</param>
internal sealed class MountCall(byte[] path) : RpcCall
{
    public const uint MountProgram = 100005;
    public const int PathLimit = 1024;

    const uint AuthNone = 0, AuthSys = 1;

    public override uint Program => MountProgram;
    public override uint Version => 3;
    public override uint Procedure => 1;

    /// <summary>mountstat3 has the numbers of nfsstat3.</summary>
    public NfsStatus Status { get; private set; }

    public byte[] Handle { get; private set; } = [];

    /// <summary>False when the export wants Kerberos.</summary>
    public bool AllowsAuthSys { get; private set; }

    public override void WriteArguments(ref XdrWriter writer) => writer.WriteOpaque(path);

    public override void ReadReply(ref XdrReader reader)
    {
        Status = (NfsStatus)reader.ReadUInt32();
        if (Status != NfsStatus.Ok) return;
        Handle = reader.ReadOpaque(Nfs3.HandleLimit).ToArray();
        uint flavors = reader.ReadUInt32();
        AllowsAuthSys = flavors == 0;
        for (uint i = 0; i < flavors; i++) AllowsAuthSys |= reader.ReadUInt32() is AuthNone or AuthSys;
    }
}

/// <summary>What the mount service exports at all, for a message that helps.</summary>
internal sealed class ExportsCall : RpcCall
{
    const int GroupLimit = 255;

    public override uint Program => MountCall.MountProgram;
    public override uint Version => 3;
    public override uint Procedure => 5;

    public List<byte[]> Paths { get; private set; } = [];

    public override void WriteArguments(ref XdrWriter writer)
    {
    }

    public override void ReadReply(ref XdrReader reader)
    {
        List<byte[]> paths = [];
        while (reader.ReadBool())
        {
            paths.Add(reader.ReadOpaque(MountCall.PathLimit).ToArray());
            while (reader.ReadBool()) _ = reader.ReadOpaque(GroupLimit);
        }
        Paths = paths;
    }
}
