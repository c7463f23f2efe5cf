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
