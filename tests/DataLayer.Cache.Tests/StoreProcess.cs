using System.Diagnostics;
using System.Globalization;

namespace DataLayer.Cache.Tests;

/// <summary>Another process that reads a dataset through a store; see <see cref="Program"/>.</summary>
internal sealed class StoreProcess : IAsyncDisposable
{
    internal readonly record struct Answer(long Hits, long Misses, long SourceReads, long SourceBytes, long Cached, bool IsOwner, bool Attached, long Used, long Evictions, long BadChecksums);

    readonly Process _process;
    readonly Task<string> _errors;

    StoreProcess(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    public static FakeSnapshot SnapshotOf(int seed) => new(seed, [.. FakeSnapshot.LogNormal(600, seed, scale: 0.3), 0, 5_000_000], packTarget: 1 << 20);

    public static async Task<StoreProcess> StartAsync(string cache, long capacity, int snapshotSeed, int sourceDelay, string dataset)
    {
        ProcessStartInfo start = new("dotnet",
            ["exec", typeof(StoreProcess).Assembly.Location, cache, capacity.ToString(CultureInfo.InvariantCulture), snapshotSeed.ToString(CultureInfo.InvariantCulture), sourceDelay.ToString(CultureInfo.InvariantCulture), dataset])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        StoreProcess process = new(Process.Start(start)!);
        string? ready = await process.ReadLineAsync();
        return ready == "ready" ? process : throw new InvalidOperationException($"the child did not start: {await process._errors}");
    }

    public int Id => _process.Id;

    async Task<string?> ReadLineAsync() => await _process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60));

    public async Task<Answer> AskAsync(string command)
    {
        await _process.StandardInput.WriteLineAsync(command);
        await _process.StandardInput.FlushAsync();
        string? line = await ReadLineAsync();
        if (line == null) throw new InvalidOperationException($"the child ended with code {await ExitAsync()}: {await _errors}");
        long[] n = [.. line.Split(' ').Select(word => long.Parse(word, CultureInfo.InvariantCulture))];
        return new Answer(n[0], n[1], n[2], n[3], n[4], n[5] == 1, n[6] == 1, n[7], n[8], n[9]);
    }

    async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return _process.ExitCode;
    }

    /// <summary>Dead at once, as by power button: SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await KillAsync();
        _process.Dispose();
    }
}
