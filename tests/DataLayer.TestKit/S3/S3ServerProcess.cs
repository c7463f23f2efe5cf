using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DataLayer.TestKit.S3;

/// <summary>One server program, started as a child with its output in a log file, stopped by its id.</summary>
internal sealed class S3ServerProcess : IDisposable
{
    readonly Process _process;
    readonly StringBuilder _log = new();

    public S3ServerProcess(string program, IEnumerable<string> arguments, string directory, params (string Name, string Value)[] environment)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = directory };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        _process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        _process.OutputDataReceived += (_, e) => Keep(e.Data);
        _process.ErrorDataReceived += (_, e) => Keep(e.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    void Keep(string? line)
    {
        lock (_log)
            if (line is not null && _log.Length < 1 << 20) _log.AppendLine(line);
    }

    public string Log
    {
        get
        {
            lock (_log) return _log.ToString();
        }
    }

    /// <summary>Waits until the port takes connections.</summary>
    public async Task WaitForPortAsync(int port, TimeSpan limit)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (true)
        {
            using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port);
                return;
            }
            catch (SocketException)
            {
                if (_process.HasExited) throw new InvalidOperationException($"{_process.StartInfo.FileName} ended with {_process.ExitCode}:\n{Log}");
                if (watch.Elapsed > limit) throw new TimeoutException($"{_process.StartInfo.FileName} does not listen on port {port} after {limit.TotalSeconds} s:\n{Log}");
                await Task.Delay(50);
            }
        }
    }

    public static int FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.WaitForExit(5000);
        _process.Dispose();
    }
}
