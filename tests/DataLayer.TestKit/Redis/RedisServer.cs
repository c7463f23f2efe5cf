using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace DataLayer.TestKit.Redis;

/// <summary>A redis-server of its own on a free loopback port, without persistence. It ends with this process, however that ends.</summary>
public sealed partial class RedisServer : IAsyncDisposable
{
    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    /// <summary>Other test processes start elsewhere.</summary>
    static int s_lastPort = Random.Shared.Next();

    readonly ScratchDirectory _directory = new();
    readonly string[] _options;
    readonly bool _tls;
    Process? _shell;
    int _server;

    RedisServer(string[] options, string? password, bool tls)
    {
        _options = options;
        _tls = tls;
        Password = password;
    }

    public int Port { get; } = FreePort();
    public string? Password { get; }
    public string Address => $"{(_tls ? "rediss" : "redis")}://{(Password == null ? "" : $":{Uri.EscapeDataString(Password)}@")}127.0.0.1:{Port}";

    /// <param name="tls">Certificate, key and authority as PEM files; then it answers over TLS only.</param>
    /// <param name="options">As in redis.conf, name and value in turn: "--cluster-enabled", "yes".</param>
    public static async Task<RedisServer> StartAsync(string? password = null, (string Certificate, string Key, string Authority)? tls = null, params string[] options)
    {
        List<string> all = [.. options];
        if (password != null) all.AddRange(["--requirepass", password]);
        if (tls is { } files)
            all.AddRange(["--tls-cert-file", files.Certificate, "--tls-key-file", files.Key, "--tls-ca-cert-file", files.Authority, "--tls-auth-clients", "no"]);
        RedisServer server = new([.. all], password, tls != null);
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

    /// <summary>Starts it, again after <see cref="KillAsync"/>, on the same port and empty.</summary>
    public async Task RestartAsync()
    {
        string port = Port.ToString(CultureInfo.InvariantCulture);
        // The shell ends with its input, and the server with the shell.
        string script = "redis-server \"$@\" </dev/null >log 2>&1 & echo $!; cat >/dev/null; kill -9 $!";
        ProcessStartInfo start = new("sh", ["-c", script, "sh", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", _directory.Path,
            _tls ? "--tls-port" : "--port", port, .. _tls ? ["--port", "0"] : Array.Empty<string>(), .. _options])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = _directory.Path,
        };
        _shell = Process.Start(start)!;
        _server = int.Parse((await _shell.StandardOutput.ReadLineAsync().WaitAsync(StartLimit))!, CultureInfo.InvariantCulture);
        Stopwatch watch = Stopwatch.StartNew();
        while (!await AcceptsAsync())
        {
            if (watch.Elapsed > StartLimit) throw new InvalidOperationException($"redis-server did not start: {await File.ReadAllTextAsync(_directory.File("log"))}");
            await Task.Delay(10);
        }
    }

    async Task<bool> AcceptsAsync()
    {
        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>What redis-cli prints for a command.</summary>
    public string Cli(params string[] command) => Shell.Run("redis-cli",
        ["-h", "127.0.0.1", "-p", Port.ToString(CultureInfo.InvariantCulture), .. Password == null ? [] : new[] { "-a", Password, "--no-auth-warning" }, .. _tls ? ["--tls", "--insecure"] : Array.Empty<string>(), .. command]).Checked.Trim();

    /// <summary>kill -9: connections break, and what it held is gone.</summary>
    public async Task KillAsync()
    {
        if (_shell is not { } shell) return;
        _shell = null;
        // The shell waits for the end of its input, and ends the server then.
        shell.StandardInput.Close();
        await shell.WaitForExitAsync().WaitAsync(StartLimit);
        shell.Dispose();
        Stopwatch watch = Stopwatch.StartNew();
        while (await AcceptsAsync())
        {
            if (watch.Elapsed > StartLimit) throw new InvalidOperationException("redis-server does not end");
            await Task.Delay(10);
        }
    }

    /// <summary>SIGSTOP: connections stay, and nothing is answered.</summary>
    public void Stall() => Signal(19);

    public void Continue() => Signal(18);

    void Signal(int signal)
    {
        if (kill(_server, signal) != 0) throw new InvalidOperationException($"kill -{signal} {_server}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Below the range of outgoing connections, or one of those could keep a server from coming back; the bus of a Redis Cluster takes the port 10,000 above.</summary>
    static int FreePort()
    {
        const int first = 10_000, count = 12_000;
        while (true)
        {
            int port = first + (int)((uint)Interlocked.Increment(ref s_lastPort) % count);
            if (IsFree(port) && IsFree(port + 10_000)) return port;
        }
    }

    static bool IsFree(int port)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _directory.Dispose();
    }
}
