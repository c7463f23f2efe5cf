using System.Net;

namespace DataLayer.TestKit.Net;

/// <summary>
/// Several hosts on one machine: network namespaces with an address each, joined by veth pairs to a bridge that has an
/// address too, for what runs in the test itself. Needs root. All of it goes away with this object.
/// </summary>
public sealed class NetworkHosts : IDisposable
{
    readonly string _id;
    readonly int _net;
    readonly int _count;

    public NetworkHosts(int count)
    {
        // Interface names have 15 characters at most; the id tells the hosts of tests that run at once apart.
        _id = $"dl{Environment.ProcessId % 46656:x}{Random.Shared.Next(256):x2}";
        _net = Random.Shared.Next(1, 250);
        _count = count;
        try
        {
            Shell.Bash("""
                set -e
                ip link add "$1b" type bridge
                ip addr add "10.213.$2.254/24" dev "$1b"
                ip link set "$1b" up
                for i in $(seq "$3"); do
                  ip netns add "$1h$i"
                  ip link add "$1v$i" type veth peer name eth0 netns "$1h$i"
                  ip link set "$1v$i" master "$1b" up
                  ip -n "$1h$i" addr add "10.213.$2.$i/24" dev eth0
                  ip -n "$1h$i" link set eth0 up
                  ip -n "$1h$i" link set lo up
                done
                """, _id, _net.ToString(), count.ToString()).Checked.ToString();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Of the bridge: what listens here is reached from all hosts.</summary>
    public IPAddress Outside => IPAddress.Parse($"10.213.{_net}.254");

    /// <param name="host">From 1.</param>
    public IPAddress AddressOf(int host) => IPAddress.Parse($"10.213.{_net}.{host}");

    /// <summary>A command that runs on a host, in the mount namespace of the test; it keeps its process id.</summary>
    public (string Program, string[] Arguments) On(int host, string program, params string[] arguments) =>
        ("nsenter", [$"--net=/run/netns/{_id}h{host}", program, .. arguments]);

    /// <summary>Pulls a host's cable, or puts it back.</summary>
    public void Connect(int host, bool connected) => Shell.Bash("ip link set \"$1\" \"$2\"", $"{_id}v{host}", connected ? "up" : "down").Checked.ToString();

    public void Dispose() => Shell.Bash("""
        for i in $(seq "$2"); do ip netns del "$1h$i"; ip link del "$1v$i"; done
        ip link del "$1b"
        """, _id, _count.ToString());
}
