using System.Net;
using System.Net.Sockets;

namespace DataLayer.TestKit;

/// <summary>A loopback port nobody listens on now.</summary>
public static class FreePort
{
    public static int Take()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
