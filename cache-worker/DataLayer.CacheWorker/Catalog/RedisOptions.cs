using System.Globalization;
using System.Net;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>How to reach Redis: one server, or some of the masters of a Redis Cluster.</summary>
internal sealed record RedisOptions
{
    public required IReadOnlyList<DnsEndPoint> Servers { get; init; }

    /// <summary>Of the default user (<c>requirepass</c>). Never in a message.</summary>
    public string? Password { get; init; }

    public bool Tls { get; init; }

    /// <summary>PEM file with the authorities to trust instead of the system's.</summary>
    public string? AuthorityFile { get; init; }

    /// <summary>Begins every key, so that several clusters can share one Redis.</summary>
    public string Prefix { get; init; } = "datalayer";

    /// <summary>
    /// Longest wait for an answer or a connection. The scripts take Redis well below a millisecond: three seconds are a Redis that is
    /// stopped, and short enough that two attempts fit into the expiry of a worker.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Reads <c>redis://[:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]</c>; <c>rediss://</c> is the same over TLS.</summary>
    /// <exception cref="ArgumentException">Names the part that is wrong, never the password.</exception>
    public static RedisOptions Parse(string address)
    {
        int scheme = address.IndexOf("://", StringComparison.Ordinal);
        bool tls = scheme >= 0 && address[..scheme] switch
        {
            "redis" => false,
            "rediss" => true,
            _ => throw new ArgumentException("a Redis address begins with redis:// or rediss://"),
        };
        string rest = (scheme < 0 ? address : address[(scheme + 3)..]).TrimEnd('/');
        string? password = null;
        int at = rest.LastIndexOf('@');
        if (at >= 0)
        {
            string credentials = rest[..at];
            int colon = credentials.IndexOf(':');
            string user = Uri.UnescapeDataString(colon < 0 ? credentials : credentials[..colon]);
            if (colon < 0)
                throw new ArgumentException("the Redis address has something before @ that is no :PASSWORD; write redis://:PASSWORD@HOST");
            if (user is not ("" or "default"))
                throw new ArgumentException($"the Redis address names the ACL user \"{user}\", which the Redis client in this build cannot log in as; " +
                    "leave the name out and give the password of the default user (requirepass)");
            password = Uri.UnescapeDataString(credentials[(colon + 1)..]);
            rest = rest[(at + 1)..];
        }
        DnsEndPoint[] servers = [.. rest.Split(',').Select(ParseServer)];
        return new RedisOptions { Servers = servers, Password = password is "" ? null : password, Tls = tls };
    }

    static DnsEndPoint ParseServer(string server)
    {
        (string host, string port) = (server, "6379");
        int colon = server.LastIndexOf(':');
        if (server.StartsWith('[') && server.IndexOf(']') is > 0 and int end)
            (host, port) = (server[1..end], end + 1 == server.Length ? port : server[(end + 1)..].TrimStart(':'));
        else if (colon >= 0) (host, port) = (server[..colon], server[(colon + 1)..]);
        bool sound = host.Length > 0 && int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and < 65536;
        return sound ? new DnsEndPoint(host, int.Parse(port, CultureInfo.InvariantCulture)) : throw new ArgumentException($"\"{server}\" is not a Redis server: write HOST or HOST:PORT");
    }
}
