using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Server;

namespace DataLayer.EndToEndBenchmarks.Tests;

/// <summary>A server on a thread of this process, over small data sets.</summary>
internal sealed class RunningServer : IDisposable
{
    private readonly ObjectStore _store;
    private readonly S3Server _server;
    private readonly Thread _thread;

    internal RunningServer(IEnumerable<Dataset> datasets, double latencyMilliseconds = 0, long bytesPerSecond = 0)
    {
        _store = new ObjectStore(datasets);
        _server = new S3Server(_store, ServerProcess.Bucket, 0, TimeSpan.FromMilliseconds(latencyMilliseconds), bytesPerSecond);
        Client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_server.Port}/"), Timeout = TimeSpan.FromSeconds(30) };
        _thread = new Thread(_server.Run);
        _thread.Start();
    }

    internal HttpClient Client { get; }

    internal int Port => _server.Port;

    internal async Task<RequestCounters> Counters() =>
        await System.Net.Http.Json.HttpClientJsonExtensions.GetFromJsonAsync<RequestCounters>(Client, "/-/counters");

    public void Dispose()
    {
        Client.Dispose();
        _server.Stop();
        _thread.Join();
        _server.Dispose();
        _store.Dispose();
    }
}
