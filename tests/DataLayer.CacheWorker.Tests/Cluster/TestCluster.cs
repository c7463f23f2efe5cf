using System.Diagnostics;
using System.Text.Json;
using DataLayer.TestKit;
using DataLayer.TestKit.Net;
using DataLayer.TestKit.S3;

namespace DataLayer.CacheWorker.Tests.Cluster;

/// <summary>
/// Real workers and mounts, each on a host of its own (a network namespace), and an S3 server that all reach. Hosts are
/// numbered from 1. Everything is taken down at the end; a process that did not end well fails the test.
/// </summary>
sealed class TestCluster : IAsyncDisposable
{
    const int Port = 7400;

    readonly NetworkHosts _hosts;
    readonly WorkerAuthority _authority;
    readonly string _peers, _datasets;
    readonly string[] _workerOptions;
    readonly Running?[] _workers;
    readonly List<(string Path, Running Process)> _mounts = [];
    readonly Dictionary<string, string> _environment;

    public TestCluster(int workers, params string[] workerOptions)
    {
        _workerOptions = workerOptions;
        _workers = new Running?[workers];
        _hosts = new NetworkHosts(workers);
        Source = new FaultyS3Server(_hosts.Outside) { Record = false };
        _environment = new Dictionary<string, string>
        {
            ["AWS_ACCESS_KEY_ID"] = Source.AccessKey,
            ["AWS_SECRET_ACCESS_KEY"] = Source.SecretKey,
            ["AWS_EC2_METADATA_DISABLED"] = "true",
        };
        _authority = new WorkerAuthority(Scratch.Path);
        _peers = Scratch.File("peers.json");
        _datasets = Scratch.File("datasets.json");
        object[] nodes = [.. Enumerable.Range(1, workers).Select(i => new { name = NodeOf(i), zone = "", address = UrlOf(i), capacity = 1L << 30 })];
        File.WriteAllText(_peers, JsonSerializer.Serialize(new { workers = nodes }));
        Register("train");
    }

    public ScratchDirectory Scratch { get; } = new();
    public FaultyS3Server Source { get; }

    /// <summary>What the mounts should show, as plain files.</summary>
    public string Expected => Scratch.Sub("expected");

    public long DatasetBytes { get; private set; }

    public static string NodeOf(int host) => $"n{host}";
    public string UrlOf(int host) => $"https://{_hosts.AddressOf(host)}:{Port}";
    public string SocketOf(int host) => Scratch.File($"w{host}.sock");
    public string CacheOf(int host) => Scratch.File($"cache{host}");
    public NetworkHosts Hosts => _hosts;
    public WorkerAuthority Authority => _authority;

    public void Register(params string[] datasets)
    {
        object[] registered = [.. datasets.Select(name => new { name, generation = 1, sources = new[] { new { uri = $"s3://{Source.Bucket}/{name}", endpoint = Source.Endpoint, pathStyle = true } } })];
        File.WriteAllText(_datasets, JsonSerializer.Serialize(new { datasets = registered }));
    }

    /// <summary>Random objects: small files of a few packs, and large ones.</summary>
    public void Fill(int seed, int small, int large, string dataset = "train")
    {
        Random random = new(seed);
        for (int i = 0; i < small + large; i++)
        {
            byte[] content = new byte[i < large ? (2 << 20) + random.Next(4 << 20) : 1 + random.Next(120_000)];
            random.NextBytes(content);
            string key = $"{(i < large ? "large" : "class-" + random.Next(7))}/sample-{i}.bin";
            Source.Put($"{dataset}/{key}", content);
            DatasetBytes += content.Length;
            if (dataset != "train") continue;
            string path = Path.Combine(Expected, key);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }
    }

    public void Start(int host)
    {
        (string certificate, string key) = _authority.Issue(NodeOf(host));
        string[] arguments = [
            "serve", "--node", NodeOf(host), "--datasets", _datasets, "--cache-dir", CacheOf(host), "--cache-size", "1GiB",
            "--listen", UrlOf(host), "--advertise", UrlOf(host), "--socket", SocketOf(host), "--peers", _peers,
            "--tls-ca", _authority.CertificateFile, "--tls-cert", certificate, "--tls-key", key, .. _workerOptions];
        _workers[host - 1]?.Dispose();
        _workers[host - 1] = StartOn(host, "dl-worker.dll", arguments, _environment);
    }

    public void StartAll()
    {
        for (int i = 1; i <= _workers.Length; i++) Start(i);
        for (int i = 1; i <= _workers.Length; i++) _workers[i - 1]!.AwaitReady();
    }

    public Running Worker(int host) => _workers[host - 1]!;

    public Running StartOn(int host, string assembly, string[] arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        (string program, string[] all) = _hosts.On(host, "dotnet", [Path.Combine(AppContext.BaseDirectory, assembly), .. arguments]);
        return new Running(program, all, environment);
    }

    /// <summary>Mounts the dataset on a host through its worker; returns the path.</summary>
    public string Mount(int host, params string[] options) => MountWith(host, ["--worker", SocketOf(host), .. options]);

    public string MountWith(int host, params string[] options)
    {
        string path = Scratch.Sub($"mnt{host}-{_mounts.Count}");
        Running process = StartOn(host, "dl-fuse.dll", ["mount", "train", path, "--cache-dir", Scratch.File($"mount-cache{host}-{_mounts.Count}"), .. options]);
        _mounts.Add((path, process));
        process.AwaitReady();
        return path;
    }

    public string MountErrors => string.Join('\n', _mounts.Select(m => m.Process.Errors));
    public string WorkerErrors => string.Join('\n', _workers.Select((w, i) => $"-- {NodeOf(i + 1)}\n{w?.Errors}"));

    /// <summary>Empty when the mount shows exactly the dataset.</summary>
    public string Differences(string mount) => Shell.Bash("timeout 90 diff -r \"$1\" \"$2\" 2>&1; echo \"exit $?\"", Expected, mount).Output.Replace("exit 0\n", "", StringComparison.Ordinal);

    public static void DropKernelCaches() => Shell.Bash("echo 3 > /proc/sys/vm/drop_caches").Checked.ToString();

    public JsonElement Status(int host)
    {
        string text = Shell.Run("curl", ["-sS", "--max-time", "20", "--unix-socket", SocketOf(host), "http://worker/v1/status"]).Checked;
        return JsonDocument.Parse(text).RootElement;
    }

    public long Sum(string counter) => Enumerable.Range(1, _workers.Length).Where(i => Worker(i).IsRunning).Sum(i => Status(i).GetProperty(counter).GetInt64());

    public async ValueTask DisposeAsync()
    {
        List<string> faults = [];
        foreach ((string path, Running process) in _mounts)
        {
            if (process.Terminate() is not 0 and int code) faults.Add($"mount {path} ended with {code}:\n{process.Errors}");
            Shell.Bash("umount -l \"$1\" 2>/dev/null", path);
        }
        for (int i = 0; i < _workers.Length; i++)
        {
            if (_workers[i] is not { IsRunning: true } worker) continue;
            worker.Signal("CONT");
            if (worker.Terminate() is not 0 and int code) faults.Add($"worker {i + 1} ended with {code}:\n{worker.Errors}");
        }
        foreach (Running? worker in _workers) worker?.Dispose();
        foreach ((_, Running process) in _mounts) process.Dispose();
        await Source.DisposeAsync();
        _hosts.Dispose();
        _authority.Dispose();
        Scratch.Dispose();
        if (faults.Count > 0) throw new InvalidOperationException(string.Join('\n', faults));
    }
}

/// <summary>A child process that prints a line when it is ready.</summary>
sealed class Running : IDisposable
{
    readonly Process _process;
    readonly List<string> _errors = [];
    readonly Task<string?> _ready;

    public Running(string program, string[] arguments, IReadOnlyDictionary<string, string>? environment)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
                if (line.Data is not null) _errors.Add(line.Data);
        };
        _process.BeginErrorReadLine();
        _ready = _process.StandardOutput.ReadLineAsync();
    }

    public string Errors { get { lock (_errors) return string.Join('\n', _errors); } }

    public bool IsRunning => !_process.HasExited;

    public void AwaitReady()
    {
        if (_ready.Wait(TimeSpan.FromSeconds(60)) && _ready.Result is not null) return;
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        throw new InvalidOperationException($"did not become ready (exit code {_process.ExitCode}):\n{Errors}");
    }

    public void Signal(string name) => Shell.Bash("kill -\"$1\" \"$2\"", name, _process.Id.ToString()).ToString();

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>SIGTERM; returns the exit code.</summary>
    public int Terminate()
    {
        if (_process.HasExited) return _process.ExitCode;
        Signal("TERM");
        if (!_process.WaitForExit(TimeSpan.FromSeconds(60))) Kill();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }
}
