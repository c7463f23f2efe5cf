using System.Diagnostics;
using System.Net;

namespace DataLayer.TestKit.S3;

/// <summary>
/// OpenStack Swift with its S3 API: one proxy and one server each for accounts, containers and objects, with their own
/// configuration, rings and data in a temporary directory. It verifies signatures and keeps versions.
/// </summary>
public sealed class SwiftServer : IS3Server
{
    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(90);

    readonly string _directory;
    readonly List<S3ServerProcess> _processes = [];
    readonly int _port = S3ServerProcess.FreePort();

    SwiftServer(string directory) => _directory = directory;

    /// <summary>Keys per page of a listing: few, so that few objects make many pages.</summary>
    public const int PageLimit = 50;

    public string Endpoint => $"http://127.0.0.1:{_port}";
    public string AccessKey => "test:tester";
    public string SecretKey => "testing";

    public S3TestClient CreateClient() => new(Endpoint, AccessKey, SecretKey);

    public static async Task<SwiftServer> StartAsync()
    {
        SwiftServer server = new(Directory.CreateTempSubdirectory("datalayer-swift-").FullName);
        try
        {
            await server.RunAsync();
            return server;
        }
        catch (Exception e)
        {
            string logs = string.Join("\n", server._processes.Select(p => p.Log[^Math.Min(4000, p.Log.Length)..]));
            await server.DisposeAsync();
            throw new InvalidOperationException($"Swift did not start: {e.Message}\n{logs}", e);
        }
    }

    async Task RunAsync()
    {
        Write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = only\ndefault = yes\n");
        (string Kind, int Port)[] storage = [("account", S3ServerProcess.FreePort()), ("container", S3ServerProcess.FreePort()), ("object", S3ServerProcess.FreePort())];
        await Task.WhenAll(storage.Select(s => BuildRingAsync(s.Kind, s.Port)));
        foreach ((string kind, int port) in storage)
        {
            Write($"{kind}.conf", $"{Defaults(port)}devices = {_directory}/devices\nmount_check = false\n[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n");
            _processes.Add(new S3ServerProcess($"swift-{kind}-server", [Path.Combine(_directory, $"{kind}.conf"), "-v"], _directory));
        }
        // tempauth refuses to work without a cache.
        int cache = S3ServerProcess.FreePort();
        _processes.Add(new S3ServerProcess("memcached", ["-l", "127.0.0.1", "-p", $"{cache}", "-u", Environment.UserName, "-m", "16", "-U", "0"], _directory));
        Write("proxy.conf", Defaults(_port) + """
            [pipeline:main]
            pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth copy slo dlo versioned_writes symlink proxy-server
            [app:proxy-server]
            use = egg:swift#proxy
            account_autocreate = true
            allow_account_management = true
            [filter:catch_errors]
            use = egg:swift#catch_errors
            [filter:gatekeeper]
            use = egg:swift#gatekeeper
            [filter:healthcheck]
            use = egg:swift#healthcheck
            [filter:cache]
            use = egg:swift#memcache
            memcache_servers = 127.0.0.1:MEMCACHED
            [filter:listing_formats]
            use = egg:swift#listing_formats
            [filter:s3api]
            use = egg:swift#s3api
            location = us-east-1
            s3_acl = false
            max_bucket_listing = PAGE
            [filter:tempauth]
            use = egg:swift#tempauth
            user_test_tester = testing .admin
            [filter:copy]
            use = egg:swift#copy
            [filter:slo]
            use = egg:swift#slo
            [filter:dlo]
            use = egg:swift#dlo
            [filter:versioned_writes]
            use = egg:swift#versioned_writes
            allow_object_versioning = true
            [filter:symlink]
            use = egg:swift#symlink

            """.Replace("MEMCACHED", $"{cache}", StringComparison.Ordinal).Replace("PAGE", $"{PageLimit}", StringComparison.Ordinal));
        await _processes[^1].WaitForPortAsync(cache, StartLimit);
        S3ServerProcess proxy = new("swift-proxy-server", [Path.Combine(_directory, "proxy.conf"), "-v"], _directory);
        _processes.Add(proxy);
        for (int i = 0; i < storage.Length; i++) await _processes[i].WaitForPortAsync(storage[i].Port, StartLimit);
        await proxy.WaitForPortAsync(_port, StartLimit);

        using S3TestClient client = CreateClient();
        Stopwatch watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await client.CreateBucketAsync("ready");
                return;
            }
            catch (HttpRequestException e) when (e.StatusCode is null or >= HttpStatusCode.InternalServerError && watch.Elapsed < StartLimit)
            {
                await Task.Delay(200);
            }
        }
    }

    /// <summary>workers = 0: one process each, in the foreground. The user stays the one who runs the tests.</summary>
    string Defaults(int port) =>
        $"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nworkers = 0\nuser = {Environment.UserName}\nswift_dir = {_directory}\nlog_level = WARNING\nlog_address = {_directory}/no-syslog\n";

    async Task BuildRingAsync(string kind, int port)
    {
        Directory.CreateDirectory(Path.Combine(_directory, "devices", "d1"));
        string builder = Path.Combine(_directory, $"{kind}.builder");
        foreach (string[] step in (string[][])[["create", "4", "1", "0"], ["add", $"r1z1-127.0.0.1:{port}/d1", "1"], ["rebalance"]])
        {
            using Process process = Process.Start(new ProcessStartInfo("swift-ring-builder", [builder, .. step]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            // 1 is "done, with a warning" (a single replica).
            if (process.ExitCode > 1) throw new InvalidOperationException($"swift-ring-builder {step[0]}: {await output}{await errors}");
        }
    }

    void Write(string name, string content) => File.WriteAllText(Path.Combine(_directory, name), content);

    public ValueTask DisposeAsync()
    {
        foreach (S3ServerProcess process in _processes) process.Dispose();
        Directory.Delete(_directory, recursive: true);
        return ValueTask.CompletedTask;
    }
}
