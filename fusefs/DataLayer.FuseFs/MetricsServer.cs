using System.Net;
using System.Text;
using DataLayer.FuseFs.Control;

namespace DataLayer.FuseFs;

/// <summary>
/// Prometheus text at http://HOST:PORT/metrics. Loopback only: it asks nobody who they are, and a sidecar or node agent
/// that scrapes it is on the same host.
/// </summary>
sealed class MetricsServer : IAsyncDisposable
{
    readonly HttpListener listener = new();
    readonly Func<MountStats> stats;
    readonly Task serving;

    /// <exception cref="UserException">Not HOST:PORT, not loopback, or in use.</exception>
    public MetricsServer(string endpoint, Func<MountStats> stats)
    {
        this.stats = stats;
        IPEndPoint address = ParseEndpoint(endpoint);
        listener.Prefixes.Add($"http://{address}/");
        try
        {
            listener.Start();
        }
        catch (HttpListenerException fault)
        {
            throw new UserException($"--metrics {endpoint}: {fault.Message}", fault);
        }

        serving = ServeAsync();
    }

    public static IPEndPoint ParseEndpoint(string text)
    {
        string numeric = text.StartsWith("localhost:", StringComparison.Ordinal) ? "127.0.0.1:" + text["localhost:".Length..] : text;
        if (!IPEndPoint.TryParse(numeric, out IPEndPoint? endpoint) || endpoint.Port == 0)
            throw new UserException($"--metrics {text}: give an address and a port, like 127.0.0.1:9464.");
        if (!IPAddress.IsLoopback(endpoint.Address))
            throw new UserException($"--metrics {text}: only loopback addresses, because metrics are served without authentication.");
        return endpoint;
    }

    async Task ServeAsync()
    {
        while (listener.IsListening)
        {
            try
            {
                HttpListenerContext context = await listener.GetContextAsync();
                bool known = context.Request.Url?.AbsolutePath == "/metrics";
                byte[] body = Encoding.UTF8.GetBytes(known ? Format(stats()) : "See /metrics\n");
                context.Response.StatusCode = known ? 200 : 404;
                context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
                context.Response.ContentLength64 = body.Length;
                await context.Response.OutputStream.WriteAsync(body);
                context.Response.Close();
            }
            catch (Exception fault) when (fault is HttpListenerException or ObjectDisposedException or IOException or InvalidOperationException)
            {
                if (listener.IsListening) Log.Debug($"metrics request: {fault.Message}");
            }
        }
    }

    internal static string Format(MountStats stats)
    {
        StringBuilder text = new();
        void Metric(string name, string type, string help, double value)
        {
            text.Append($"# HELP datalayer_mount_{name} {help}\n# TYPE datalayer_mount_{name} {type}\ndatalayer_mount_{name} {value:R}\n");
        }

        Metric("read_hits_total", "counter", "Reads answered from the cache.", stats.Hits);
        Metric("read_misses_total", "counter", "Reads that had to wait for the source.", stats.Misses);
        Metric("cache_read_bytes_total", "counter", "Bytes answered from the cache.", stats.BytesFromCache);
        Metric("source_read_bytes_total", "counter", "Bytes received from sources.", stats.BytesFromSource);
        Metric("source_reads_total", "counter", "Requests sent to sources for content.", stats.SourceReads);
        Metric("source_errors_total", "counter", "Source reads that failed after all retries.", stats.SourceErrors);
        Metric("stale_files_total", "counter", "Reads refused because the source object changed.", stats.StaleFiles);
        Metric("refresh_failures_total", "counter", "Refreshes that could not list the sources.", stats.RefreshFailures);
        Metric("cache_used_bytes", "gauge", "Bytes of the cache in use.", stats.CacheUsedBytes);
        Metric("cache_capacity_bytes", "gauge", "Limit of the cache.", stats.CacheCapacityBytes);
        Metric("snapshot_age_seconds", "gauge", "Age of the mounted snapshot.", stats.SnapshotAgeSeconds);
        text.Append("# HELP datalayer_mount_fuse_requests_total Kernel requests by operation.\n# TYPE datalayer_mount_fuse_requests_total counter\n");
        foreach ((string operation, long count) in stats.Requests) text.Append($"datalayer_mount_fuse_requests_total{{operation=\"{operation}\"}} {count}\n");
        return text.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        listener.Close();
        await serving;
    }
}
