using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace DataLayer.TestKit.Nfs;

/// <summary>
/// A stand-in that speaks just enough port mapper, mount service and NFS version 3, all on one port, to be listed and read:
/// a root with one file, one link and one directory. What it says can be altered before it goes out, which no real server
/// lets a test do.
/// </summary>
public sealed class ScriptedNfsServer : IAsyncDisposable
{
    const uint Mapper = 100000, Nfs = 100003, Mount = 100005;

    static readonly byte[] Root = [1], File = [2], Link = [3], Sub = [4];

    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly CancellationTokenSource _stop = new();
    readonly Task _serving;

    public ScriptedNfsServer()
    {
        _listener.Start();
        _serving = Task.Run(AcceptAsync);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Uri => $"nfs://127.0.0.1:{Port}/x?mountport={Port}";

    public byte[] Content { get; } = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];

    /// <summary>From (program, procedure, the right results) to those to send. Null: no answer.</summary>
    public Func<uint, uint, byte[], byte[]?> Alter { get; set; } = (_, _, results) => results;

    /// <summary>From a whole record with its mark to what goes over the wire.</summary>
    public Func<byte[], byte[]> AlterRecord { get; set; } = record => record;

    async Task AcceptAsync()
    {
        List<Task> clients = [];
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token);
                clients.Add(Task.Run(() => ServeAsync(socket)));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(clients);
        }
    }

    async Task ServeAsync(Socket socket)
    {
        using Socket owned = socket;
        using NetworkStream stream = new(socket);
        byte[] mark = new byte[4];
        try
        {
            while (true)
            {
                await stream.ReadExactlyAsync(mark, _stop.Token);
                byte[] call = new byte[BinaryPrimitives.ReadUInt32BigEndian(mark) & 0x7fffffff];
                await stream.ReadExactlyAsync(call, _stop.Token);
                if (Answer(call) is { } reply) await stream.WriteAsync(AlterRecord(reply), _stop.Token);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client left, or the test is over.
        }
    }

    byte[]? Answer(byte[] call)
    {
        // xid, CALL, RPC version, program, version, procedure, credentials (flavor, opaque), verifier (flavor, opaque).
        uint At(int offset) => BinaryPrimitives.ReadUInt32BigEndian(call.AsSpan(offset));
        uint program = At(12), procedure = At(20);
        int arguments = 32 + (int)((At(28) + 3) & ~3u);
        arguments += 8 + (int)((At(arguments + 4) + 3) & ~3u);
        if (Alter(program, procedure, Results(program, procedure, call.AsSpan(arguments))) is not { } results) return null;
        // xid, REPLY, accepted, verifier, success.
        byte[] body = new XdrBuilder().Int(At(0)).Int(1).Int(0).Int(0).Int(0).Int(0).Add(results).ToArray();
        return new XdrBuilder().Int(0x80000000 | (uint)body.Length).Add(body).ToArray();
    }

    byte[] Results(uint program, uint procedure, ReadOnlySpan<byte> arguments)
    {
        byte[] handle = arguments.Length > 4 && BinaryPrimitives.ReadUInt32BigEndian(arguments) == 1 ? [arguments[4]] : [];
        XdrBuilder results = new();
        switch (program, procedure)
        {
            case (Mapper, 3):
                return results.Int((uint)Port).ToArray();
            case (Mount, 1):
                return results.Int(0).Opaque(Root).Int(1).Int(1).ToArray();
            case (Nfs, 1):
                return results.Int(0).Add(Attributes(handle)).ToArray();
            case (Nfs, 3):
                byte[] found = arguments[^4] switch { (byte)'f' => File, (byte)'l' => Link, (byte)'d' => Sub, _ => [] };
                if (found.Length == 0) return results.Int(2).Int(0).ToArray();
                return results.Int(0).Opaque(found).Int(1).Add(Attributes(found)).Int(0).ToArray();
            case (Nfs, 5):
                return results.Int(0).Int(0).Opaque("target"u8).ToArray();
            case (Nfs, 6):
                int offset = (int)BinaryPrimitives.ReadUInt64BigEndian(arguments[8..]), count = BinaryPrimitives.ReadInt32BigEndian(arguments[16..]);
                ReadOnlySpan<byte> bytes = Content.AsSpan(offset, Math.Min(count, Content.Length - offset));
                return results.Int(0).Int(1).Add(Attributes(File)).Int((uint)bytes.Length).Int(1).Opaque(bytes).ToArray();
            case (Nfs, 17):
                results.Int(0).Int(1).Add(Attributes(handle)).Long(0);
                if (handle is [1])
                {
                    Entry(results, "f"u8, File, 1);
                    Entry(results, "l"u8, Link, 2);
                    Entry(results, "d"u8, Sub, 3);
                }
                return results.Int(0).Int(1).ToArray();
            case (Nfs, 19):
                return results.Int(0).Int(1).Add(Attributes(Root)).Int(65536).Add(new byte[44]).ToArray();
            default:
                return results.ToArray();
        }
    }

    void Entry(XdrBuilder results, ReadOnlySpan<byte> name, byte[] handle, ulong cookie) =>
        results.Int(1).Long(handle[0]).Opaque(name).Long(cookie).Int(1).Add(Attributes(handle)).Int(1).Opaque(handle);

    /// <summary>fattr3. Old enough to be at rest.</summary>
    byte[] Attributes(byte[] handle)
    {
        (uint type, int size) = handle switch { [2] => (1u, Content.Length), [3] => (5u, 6), _ => (2u, 4096) };
        return new XdrBuilder().Int(type).Int(0x1ed).Int(1).Int(10).Int(20).Long((ulong)size).Long((ulong)size)
            .Int(0).Int(0).Long(7).Long(handle.Length == 0 ? 0u : handle[0])
            .Int(1000).Int(1).Int(2000).Int(2).Int(3000).Int(3).ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Dispose();
        _stop.Dispose();
    }
}
