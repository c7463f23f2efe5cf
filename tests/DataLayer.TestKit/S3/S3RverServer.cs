namespace DataLayer.TestKit.S3;

/// <summary>
/// s3rver, a small S3 server in JavaScript. It checks no signatures and ignores If-Match, and it lists directories in the
/// order of their names without the '/', so only listings of one page are complete.
/// </summary>
public sealed class S3RverServer : IS3Server
{
    readonly S3ServerProcess _process;
    readonly string _directory;

    S3RverServer(S3ServerProcess process, string directory, int port)
    {
        _process = process;
        _directory = directory;
        Endpoint = $"http://127.0.0.1:{port}";
    }

    public string Endpoint { get; }
    public string AccessKey => "S3RVER";
    public string SecretKey => "S3RVER";

    public S3TestClient CreateClient() => new(Endpoint, AccessKey, SecretKey);

    public static async Task<S3RverServer> StartAsync()
    {
        string program = FindProgram();
        string directory = Directory.CreateTempSubdirectory("datalayer-s3rver-").FullName;
        int port = S3ServerProcess.FreePort();
        S3ServerProcess process = new(program, ["-d", directory, "-a", "127.0.0.1", "-p", $"{port}", "--no-vhost-buckets", "-s"], directory,
            // Its continuation tokens use DES, which OpenSSL 3 has only in the legacy provider.
            ("NODE_OPTIONS", "--openssl-legacy-provider"));
        S3RverServer server = new(process, directory, port);
        try
        {
            await process.WaitForPortAsync(port, TimeSpan.FromSeconds(30));
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    static string FindProgram()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            string program = Path.Combine(at.FullName, "tests", "node_modules", ".bin", "s3rver");
            if (File.Exists(program)) return program;
        }
        throw new FileNotFoundException("tests/node_modules/.bin/s3rver is missing; run tests/install.sh");
    }

    public ValueTask DisposeAsync()
    {
        _process.Dispose();
        Directory.Delete(_directory, recursive: true);
        return ValueTask.CompletedTask;
    }
}
