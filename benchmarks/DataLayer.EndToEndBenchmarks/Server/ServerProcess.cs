using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Targets;

namespace DataLayer.EndToEndBenchmarks.Server;

/// <summary>The S3 server as a process of its own, so that its processor time is told apart from everyone else's.</summary>
internal sealed class ServerProcess : IDisposable
{
    internal const string Bucket = "bench";
    private readonly Process _process;
    private readonly HttpClient _client = new();

    private ServerProcess(Process process, int port)
    {
        _process = process;
        Address = new S3Address(port, Bucket);
        Probe = new ProcessProbe(process.Id);
    }

    internal S3Address Address { get; }
    internal ProcessProbe Probe { get; }

    internal static async Task<ServerProcess> Start(string folder, IEnumerable<DatasetSpec> specs, TimeSpan latency, long bytesPerSecond)
    {
        var start = new ProcessStartInfo(ReaderPool.Executable,
        [
            "s3-server", "--folder", folder, "--until-input-ends",
            "--latency", latency.TotalMilliseconds.ToString(CultureInfo.InvariantCulture),
            "--rate", bytesPerSecond.ToString(CultureInfo.InvariantCulture),
            .. specs.Select(spec => spec.FileName),
        ])
        { RedirectStandardInput = true, RedirectStandardOutput = true };
        Process process = Process.Start(start)!;
        string? line = await process.StandardOutput.ReadLineAsync();
        int colon = line?.LastIndexOf(':') ?? -1;
        if (colon < 0 || !int.TryParse(line.AsSpan(colon + 1), CultureInfo.InvariantCulture, out int port))
            throw new BenchmarkException($"the S3 server did not start: {line}");
        return new ServerProcess(process, port);
    }

    internal async Task<RequestCounters> Counters() =>
        await _client.GetFromJsonAsync<RequestCounters>(Address.Endpoint + "/-/counters");

    /// <summary>The counters once nothing was sent for a while: background fetches belong to what caused them.</summary>
    internal async Task<RequestCounters> SettledCounters(CancellationToken cancellation)
    {
        RequestCounters last = await Counters();
        // 0.3 s is twenty request latencies; the limit is for a client that never rests.
        for (int quiet = 0, tries = 0; quiet < 3 && tries < 300; tries++)
        {
            await Task.Delay(100, cancellation);
            RequestCounters now = await Counters();
            quiet = now.BodyBytes == last.BodyBytes && now.Get == last.Get ? quiet + 1 : 0;
            last = now;
        }

        return last;
    }

    public void Dispose()
    {
        _client.Dispose();
        // The end of its input ends it; it holds nothing that could be lost.
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
    }
}
