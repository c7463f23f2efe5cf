using DataLayer.Fuse;

namespace DataLayer.TestReader;

/// <summary>Says to a holder that it is ready to serve, and ends when it is to.</summary>
static class HoldImpostor
{
    public static int Run(string path, string key)
    {
        using DescriptorSocket socket = DescriptorSocket.TryConnect(path)!;
        socket.Send(System.Text.Encoding.UTF8.GetBytes($"{{\"kind\":\"Hello\",\"key\":{key}}}"), []);
        socket.Receive(out _);
        socket.Send("{\"kind\":\"Ready\"}"u8, []);
        socket.Receive(out _);
        return 1;
    }
}
