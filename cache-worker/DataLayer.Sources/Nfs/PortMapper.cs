using System.Text;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// Asks at which port a program answers: over IPv4 port mapper version 2, GETPORT; over IPv6 rpcbind version 3, GETADDR
/// (RFC 1833).
/// </summary>
internal sealed class GetPortCall(uint program, uint version, bool overV6) : RpcCall
{
    const uint Tcp = 6;

    public override uint Program => 100000;
    public override uint Version => overV6 ? 3u : 2u;
    public override uint Procedure => 3;

    /// <summary>0: the program is not registered.</summary>
    public int Port { get; private set; }

    public override void WriteArguments(ref XdrWriter writer)
    {
        writer.WriteUInt32(program);
        writer.WriteUInt32(version);
        if (!overV6)
        {
            writer.WriteUInt32(Tcp);
            writer.WriteUInt32(0);
            return;
        }
        writer.WriteOpaque("tcp6"u8);
        writer.WriteOpaque([]);
        writer.WriteOpaque([]);
    }

    public override void ReadReply(ref XdrReader reader)
    {
        if (!overV6)
        {
            uint port = reader.ReadUInt32();
            if (port > ushort.MaxValue) throw new XdrException($"port {port}");
            Port = (int)port;
            return;
        }
        // "::.8.1" is port 8 × 256 + 1.
        string[] parts = Encoding.ASCII.GetString(reader.ReadOpaque(256)).Split('.');
        if (parts.Length < 2) return;
        if (!byte.TryParse(parts[^2], out byte high) || !byte.TryParse(parts[^1], out byte low)) throw new XdrException("an address without port");
        Port = (high << 8) | low;
    }
}

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
