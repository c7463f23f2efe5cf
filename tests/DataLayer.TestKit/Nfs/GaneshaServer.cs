using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace DataLayer.TestKit.Nfs;

/// <summary>
/// An nfs-ganesha of its own on free loopback ports, for NFS version 3 and 4.0. Needs root: its VFS backend opens files by
/// handle. Version 3 registers with a port mapper; to leave the machine's own alone, an rpcbind runs beside it that only it
/// can reach: in a network namespace of its own, over a socket in a private /run. Clients name the ports.
/// </summary>
public sealed partial class GaneshaServer : IAsyncDisposable
{
    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    readonly string _directory;
    readonly int _port = FreePort(), _mountPort = FreePort();
    Process? _process;

    GaneshaServer(string directory) => _directory = directory;

    /// <summary>The exported directory, as this machine sees it.</summary>
    public string Export => Path.Combine(_directory, "export");

    /// <summary>Of a second export of the same directory, on which everybody is nobody.</summary>
    const string SquashedPseudo = "/squashed";

    public int Port => _port;

    /// <param name="path">Below the export: empty, or begins with '/'.</param>
    public string Uri(int version, string path = "") => version == 3
        ? $"nfs://127.0.0.1:{_port}{Export}{path}?version=3&mountport={_mountPort}"
        : $"nfs://127.0.0.1:{_port}/export{path}?version=4";

    public string SquashedUri => $"nfs://127.0.0.1:{_port}{SquashedPseudo}?version=4";

    /// <summary>As libnfs's own tools want it.</summary>
    /// <param name="path">Begins with '/'.</param>
    public string ToolUri(int version, string path) => version == 3
        ? $"nfs://127.0.0.1{Export}{path}?version=3&nfsport={_port}&mountport={_mountPort}"
        : $"nfs://127.0.0.1/export{path}?version=4&nfsport={_port}";

    /// <param name="protocols">"3,4", "3" or "4".</param>
    /// <param name="numericOwners">False: owners go over the wire as name@domain where the machine knows a name.</param>
    public static async Task<GaneshaServer> StartAsync(string protocols = "3,4", bool numericOwners = true)
    {
        GaneshaServer server = new(MakeDirectory());
        Directory.CreateDirectory(server.Export);
        Directory.CreateDirectory(Path.Combine(server._directory, "recovery"));
        await File.WriteAllTextAsync(Path.Combine(server._directory, "ganesha.conf"), server.Configuration(protocols, numericOwners));
        try
        {
            await server.RestartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Overlay filesystems (containers) cannot be opened by handle; memory can.</summary>
    static string MakeDirectory()
    {
        string parent = new DriveInfo(Path.GetTempPath()).DriveFormat == "overlay" ? "/dev/shm" : Path.GetTempPath();
        string directory = Path.Combine(parent, $"datalayer-nfs-{Path.GetRandomFileName()}");
        Directory.CreateDirectory(directory);
        return directory;
    }

    /// <summary>
    /// Attr_Expiration_Time = 0: with its default, this server goes on telling attributes of up to 60 s ago when a file is
    /// changed beside it, as these tests do; a server that shares its files with nobody does not.
    /// </summary>
    string Configuration(string protocols, bool numericOwners) => $$"""
        NFS_CORE_PARAM { Protocols = {{protocols}}; NFS_Port = {{_port}}; MNT_Port = {{_mountPort}}; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; Bind_addr = 127.0.0.1; }
        NFSv4 { RecoveryBackend = fs; RecoveryRoot = "{{_directory}}/recovery"; Graceless = true; Minor_Versions = 0; Only_Numeric_Owners = {{(numericOwners ? "true" : "false")}}; }
        NFS_KRB5 { Active_krb5 = false; }
        EXPORT_DEFAULTS { Attr_Expiration_Time = 0; Protocols = {{protocols}}; Transports = TCP; SecType = sys; Access_Type = RO; }
        EXPORT { Export_Id = 1; Path = "{{Export}}"; Pseudo = /export; Squash = No_Root_Squash; FSAL { Name = VFS; } }
        EXPORT { Export_Id = 2; Path = "{{Export}}"; Pseudo = {{SquashedPseudo}}; Tag = squashed; Squash = All_Squash; FSAL { Name = VFS; } }
        """;

    /// <summary>Starts it, again after <see cref="KillAsync"/>, on the same ports.</summary>
    public async Task RestartAsync()
    {
        string script = $"""
            mount -t tmpfs tmpfs /run
            unshare --net rpcbind -f -i &
            while [ ! -S /run/rpcbind.sock ]; do sleep 0.01; done
            exec ganesha.nfsd -F -f {_directory}/ganesha.conf -L {_directory}/log -p {_directory}/pid
            """;
        // A pid namespace, so that rpcbind ends when the server does, however that ends.
        ProcessStartInfo start = new("unshare", ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", script])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process process = Process.Start(start)!;
        _process = process;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        Stopwatch watch = Stopwatch.StartNew();
        while (!await AcceptsAsync())
        {
            if (process.HasExited || watch.Elapsed > StartLimit)
            {
                process.Kill();
                throw new InvalidOperationException($"nfs-ganesha did not start. {await output}{await errors}\n{ReadLog()}");
            }
            await Task.Delay(10);
        }
    }

    async Task<bool> AcceptsAsync()
    {
        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, _port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>kill -9: connections break, nothing is said.</summary>
    public async Task KillAsync()
    {
        if (_process is not { } process) return;
        _process = null;
        // With --kill-child the server goes with it.
        int server = TryFindServer(process);
        if (server > 0) Signal(server, 9);
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    /// <summary>SIGSTOP: connections stay, and nothing is answered.</summary>
    public void Stall() => Signal(FindServer(), 19);

    public void Continue() => Signal(FindServer(), 18);

    int FindServer() => _process is { } process && TryFindServer(process) is > 0 and int pid ? pid : throw new InvalidOperationException("The server is not running.");

    /// <summary>The only child of unshare, which became the server by exec.</summary>
    static int TryFindServer(Process process)
    {
        try
        {
            string children = File.ReadAllText($"/proc/{process.Id}/task/{process.Id}/children");
            return int.TryParse(children.Trim(), out int pid) ? pid : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    static void Signal(int pid, int signal)
    {
        if (kill(pid, signal) != 0) throw new InvalidOperationException($"kill -{signal} {pid}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    string ReadLog()
    {
        string path = Path.Combine(_directory, "log");
        if (!File.Exists(path)) return "(no log)";
        string log = File.ReadAllText(path);
        return log[^Math.Min(4000, log.Length)..];
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        // rm, because .NET cannot name files whose names are not UTF-8.
        using Process remove = Process.Start("rm", ["-rf", _directory]);
        await remove.WaitForExitAsync();
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);
}
