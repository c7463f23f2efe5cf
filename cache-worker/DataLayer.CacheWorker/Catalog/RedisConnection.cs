using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using StackExchange.Redis;

namespace DataLayer.CacheWorker.Catalog;

/// <summary>
/// The one file that knows the Redis client. Runs scripts: each is atomic, and the keys of one must share a hash tag, which Redis
/// Cluster asks for. Connects at the first call and reconnects by itself. Safe for concurrent use.
/// <para>Written for StackExchange.Redis 1.2.6 with nothing that 2.x lacks. In 1.2.6 an awaited call never times out: every wait here has a limit.</para>
/// </summary>
internal sealed class RedisConnection(RedisOptions options) : IAsyncDisposable
{
    readonly SemaphoreSlim _connecting = new(1);
    volatile ConnectionMultiplexer? _connection;
    bool _disposed;

    /// <exception cref="CatalogException">No answer in time, or an error as the answer.</exception>
    public async Task<RedisReply> RunAsync(string script, string[] keys, string[] arguments, CancellationToken cancellation)
    {
        try
        {
            IDatabase database = (_connection ?? await ConnectAsync(cancellation)).GetDatabase();
            // NoScriptCache: a server that restarted has forgotten the script, and the client's cure for that costs a failed call.
            RedisResult result = await database.ScriptEvaluateAsync(script, [.. keys.Select(k => (RedisKey)k)], [.. arguments.Select(a => (RedisValue)a)], CommandFlags.NoScriptCache)
                .WaitAsync(options.Timeout, cancellation);
            return new RedisReply(result);
        }
        catch (Exception e) when (e is TimeoutException or RedisException or ObjectDisposedException or System.Net.Sockets.SocketException)
        {
            throw new CatalogException($"Redis at {string.Join(",", options.Servers.Select(s => $"{s.Host}:{s.Port}"))}: {Reason(e)}", e);
        }
    }

    string Reason(Exception e) => e switch
    {
        TimeoutException => $"no answer within {options.Timeout.TotalSeconds:0.#} s",
        RedisServerException => e.Message.ReplaceLineEndings(" "),
        _ => Refusal(e) ?? "cannot be reached",
    };

    /// <summary>What the server said while connecting, if that is a thing to mend.</summary>
    static string? Refusal(Exception e)
    {
        for (Exception? inner = e; inner != null; inner = inner.InnerException)
        {
            if (inner.Message.Contains("NOAUTH", StringComparison.Ordinal)) return "asks for a password: write redis://:PASSWORD@HOST";
            if (inner.Message.Contains("WRONGPASS", StringComparison.Ordinal) || inner.Message.Contains("AuthenticationFailure", StringComparison.Ordinal))
                return "refuses the password, or its TLS certificate is not trusted";
        }
        return null;
    }

    async Task<ConnectionMultiplexer> ConnectAsync(CancellationToken cancellation)
    {
        if (!await _connecting.WaitAsync(options.Timeout, cancellation)) throw new TimeoutException();
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // Off the caller's thread: resolving names blocks.
            return _connection ??= await Task.Run(() => ConnectionMultiplexer.ConnectAsync(Configure()), cancellation).WaitAsync(options.Timeout * 2, cancellation);
        }
        finally
        {
            _connecting.Release();
        }
    }

    ConfigurationOptions Configure()
    {
        int timeout = (int)options.Timeout.TotalMilliseconds;
        ConfigurationOptions configuration = new()
        {
            AbortOnConnectFail = false,
            ConnectTimeout = timeout,
            SyncTimeout = timeout,
            // Seconds. A half-open connection is noticed by it.
            KeepAlive = 5,
            // Half a second between attempts, from the client's default of a whole connection limit: a restarted Redis is found
            // before it would declare anybody gone.
            ReconnectRetryPolicy = new LinearRetry(500),
            Password = options.Password,
            Ssl = options.Tls,
            ClientName = "datalayer",
            // Neither a key nor a channel of the client's own: nothing here needs a primary to be elected.
            TieBreaker = "",
            ConfigurationChannel = "",
        };
        foreach (System.Net.DnsEndPoint server in options.Servers) configuration.EndPoints.Add(server.Host, server.Port);
        if (options.Tls) configuration.SslHost = options.Servers[0].Host;
        if (options.AuthorityFile is { } file)
        {
            X509Certificate2Collection authorities = [];
            authorities.ImportFromPemFile(file);
            configuration.CertificateValidation += (_, certificate, _, errors) => IsTrusted(certificate, errors, authorities);
        }
        return configuration;
    }

    static bool IsTrusted(X509Certificate? certificate, SslPolicyErrors errors, X509Certificate2Collection authorities)
    {
        // The chain to the system's authorities may be wrong; a wrong or missing name may not.
        if (certificate == null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0) return false;
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(new X509Certificate2(certificate));
    }

    public async ValueTask DisposeAsync()
    {
        ConnectionMultiplexer? connection;
        await _connecting.WaitAsync();
        try
        {
            _disposed = true;
            connection = _connection;
            _connection = null;
        }
        finally
        {
            _connecting.Release();
        }
        // Without this the client waits a whole limit for calls that nobody waits for any more.
        connection?.Close(allowCommandsToComplete: false);
        connection?.Dispose();
    }
}

/// <summary>What a script returned: a text, a list, or nothing.</summary>
internal readonly struct RedisReply(RedisResult result)
{
    public bool IsNull => result.IsNull;
    public string Text => (string?)result ?? throw Unexpected("nothing where a text was due");
    public long Number => long.TryParse(Text, out long number) ? number : throw Unexpected($"\"{Text}\" where a number was due");

    public RedisReply[] List
    {
        get
        {
            try { return [.. ((RedisResult[]?)result ?? throw Unexpected("nothing where a list was due")).Select(r => new RedisReply(r))]; }
            catch (InvalidCastException e) { throw new CatalogException("Redis answered with something else than a list", e); }
        }
    }

    static CatalogException Unexpected(string what) => new($"Redis answered with {what}");
}
