using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// What an engineer types to name an NFS export: <c>nfs://server[:port]/export[/path][?version=3|4][&amp;mountport=n]</c>. The
/// path is percent-decoded to bytes, because a server's names need not be UTF-8.
/// </summary>
/// <param name="Server">A lower-case name or a numeric address (IPv6 without brackets).</param>
/// <param name="Port">Of the NFS service. Null: 2049 for version 4; asked of the port mapper for version 3.</param>
/// <param name="MountPort">Version 3: of the mount service. Null: asked of the port mapper.</param>
/// <param name="Path">Starts with '/'; no empty, '.' or '..' components, no '/' at the end but the root's.</param>
internal sealed record NfsLocation(string Server, int? Port, int? MountPort, int Version, byte[] Path)
{
    public const int NfsPort = 2049;

    public const string Scheme = "nfs://";

    const string Form = "nfs://server[:port]/export[/path][?version=3|4]";

    public static bool IsNfs(string text) => text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase);

    /// <summary>One spelling for one place; can be parsed again.</summary>
    public string Identity
    {
        get
        {
            StringBuilder text = new(Scheme);
            text.Append(Server.Contains(':') ? $"[{Server}]" : Server);
            if (Port is { } port && !(Version == 4 && port == NfsPort)) text.Append(CultureInfo.InvariantCulture, $":{port}");
            AppendPath(text);
            char separator = '?';
            if (Version != 3)
            {
                text.Append(CultureInfo.InvariantCulture, $"{separator}version={Version}");
                separator = '&';
            }
            if (MountPort is { } mountPort) text.Append(CultureInfo.InvariantCulture, $"{separator}mountport={mountPort}");
            return text.ToString();
        }
    }

    /// <exception cref="SourceException">Misconfigured, with one line that says what is wrong.</exception>
    public static NfsLocation Parse(string text)
    {
        if (!IsNfs(text)) throw Bad($"'{text}' is not {Form}.");
        if (text.Any(char.IsControl)) throw Bad("The source's name holds a control character; a source is a printable name.");
        string rest = text[Scheme.Length..];
        int question = rest.IndexOf('?');
        string query = question < 0 ? "" : rest[(question + 1)..];
        if (question >= 0) rest = rest[..question];

        int slash = rest.IndexOf('/');
        string authority = slash < 0 ? rest : rest[..slash];
        // The text is not repeated: what stands before an '@' may be a secret.
        if (authority.Contains('@')) throw Bad("An NFS source has no user in its name; the server sees the user that this process runs as.");
        (string server, int? port) = ParseAuthority(authority);
        byte[] path = ParsePath(slash < 0 ? "/" : rest[slash..]);
        if (rest.Contains('#')) throw Bad("'#' in an NFS path is written %23.");

        int version = 3;
        int? mountPort = null;
        HashSet<string> seen = [];
        foreach (string pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = pair.IndexOf('=');
            string name = equals < 0 ? pair : pair[..equals];
            string value = equals < 0 ? "" : pair[(equals + 1)..];
            if (!seen.Add(name)) throw Bad($"'{name}' is given twice; give {Form}.");
            switch (name)
            {
                case "version":
                    version = value switch
                    {
                        "3" => 3,
                        "4" or "4.0" => 4,
                        _ => throw Bad($"NFS version '{value}' is not supported; give version=3 or version=4."),
                    };
                    break;
                case "mountport":
                    mountPort = ParsePort(value);
                    break;
                default:
                    throw Bad($"'{name}' is not an option of an NFS source; known are version=3|4 and mountport=n (what version 3 servers without port mapper need).");
            }
        }
        if (version == 4 && mountPort is not null) throw Bad("mountport belongs to version 3; version 4 has no mount service.");
        return new NfsLocation(server, port, mountPort, version, path);
    }

    static (string Server, int? Port) ParseAuthority(string authority)
    {
        string server = authority;
        int? port = null;
        if (authority.StartsWith('['))
        {
            int end = authority.IndexOf(']');
            if (end < 0 || !IPAddress.TryParse(authority[1..end], out IPAddress? address) || address.AddressFamily != AddressFamily.InterNetworkV6)
                throw Bad($"'{authority}' is not [IPv6 address][:port].");
            if (authority.Length > end + 1)
            {
                if (authority[end + 1] != ':') throw Bad($"'{authority}' is not [IPv6 address][:port].");
                port = ParsePort(authority[(end + 2)..]);
            }
            return (address.ToString(), port);
        }
        int colon = authority.IndexOf(':');
        if (colon >= 0)
        {
            server = authority[..colon];
            port = ParsePort(authority[(colon + 1)..]);
        }
        if (server.Length is 0 or > 253) throw Bad($"The source names no server; give {Form}.");
        if (!server.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_')) throw Bad($"'{server}' is not a server's name or address.");
        return (server.ToLowerInvariant(), port);
    }

    static int ParsePort(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port is > 0 and <= ushort.MaxValue
            ? port
            : throw Bad($"'{text}' is not a port; give 1 to 65535.");

    static byte[] ParsePath(string text)
    {
        List<byte> path = [];
        byte[] encoded = Encoding.UTF8.GetBytes(text);
        for (int i = 0; i < encoded.Length; i++)
        {
            byte next = encoded[i];
            if (next == '%')
            {
                if (i + 2 >= encoded.Length || !char.IsAsciiHexDigit((char)encoded[i + 1]) || !char.IsAsciiHexDigit((char)encoded[i + 2]))
                    throw Bad("'%' in an NFS path begins a byte in two hex digits; a '%' itself is written %25.");
                next = byte.Parse(Encoding.ASCII.GetString(encoded, i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                i += 2;
                if (next == 0) throw Bad("A path cannot hold NUL.");
            }
            path.Add(next);
        }

        List<byte> clean = [];
        foreach (byte[] component in Split(path.ToArray()))
        {
            if (component.AsSpan().SequenceEqual(".."u8)) throw Bad("The path of an NFS source cannot hold '..'; write where it leads.");
            clean.Add((byte)'/');
            clean.AddRange(component);
        }
        if (clean.Count == 0) clean.Add((byte)'/');
        if (clean.Count > MountCall.PathLimit) throw Bad($"The path is longer than NFS allows ({MountCall.PathLimit} bytes).");
        return [.. clean];
    }

    /// <summary>Without empty and '.' components.</summary>
    public static List<byte[]> Split(byte[] path)
    {
        List<byte[]> components = [];
        foreach (Range range in path.AsSpan().Split((byte)'/'))
        {
            byte[] component = path[range];
            if (component.Length > 0 && !component.AsSpan().SequenceEqual("."u8)) components.Add(component);
        }
        return components;
    }

    /// <summary>UTF-8 stays readable; what has a meaning in this form, and what cannot be shown, is percent-encoded.</summary>
    void AppendPath(StringBuilder text)
    {
        ReadOnlySpan<byte> rest = Path;
        while (!rest.IsEmpty)
        {
            bool isText = Rune.DecodeFromUtf8(rest, out Rune rune, out int length) == System.Buffers.OperationStatus.Done;
            if (isText && rune.Value is not ('%' or '?' or '#') && !Rune.IsControl(rune)) text.Append(rune.ToString());
            else
                foreach (byte b in rest[..length]) text.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
            rest = rest[length..];
        }
    }

    static SourceException Bad(string message) => new(SourceFault.Misconfigured, message);
}
