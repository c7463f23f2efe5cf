using System.Net.Sockets;
using System.Text;

namespace DataLayer.Cache;

/// <summary>The socket's name. A path too long for sockaddr_un (108 bytes) is reached through an open directory.</summary>
internal sealed class StoreSocket : IDisposable
{
    readonly int _folder = -1;

    public StoreSocket(StorePaths paths)
    {
        string name = paths.Socket;
        if (Encoding.UTF8.GetByteCount(name) > 100)
        {
            _folder = Libc.Open(paths.Root, Libc.O_PATH | Libc.O_CLOEXEC);
            if (_folder < 0) throw new IOException($"{paths.Root}: {Libc.Describe(Libc.LastError)}");
            name = $"/proc/self/fd/{_folder}/{Path.GetFileName(paths.Socket)}";
        }
        EndPoint = new UnixDomainSocketEndPoint(name);
    }

    public UnixDomainSocketEndPoint EndPoint { get; }

    public static Socket Create() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public void Dispose()
    {
        if (_folder >= 0) Libc.Close(_folder);
    }
}
