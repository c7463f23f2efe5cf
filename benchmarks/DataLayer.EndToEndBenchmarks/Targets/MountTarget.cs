using System.Diagnostics;
using DataLayer.EndToEndBenchmarks.Data;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>
/// A mount served by a process that this benchmark starts and ends. Nothing here touches the mounted tree: a process that
/// reads a mount which hangs, hangs too.
/// </summary>
/// <param name="folder">Below it go the mount point, the cache and the log of this target.</param>
internal abstract class MountTarget(string name, string folder) : Target
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);
    private readonly Lock _logLock = new();
    private Process? _process;
    private ProcessProbe? _probe;

    internal override string Name => name;
    internal override bool HasSource => true;
    internal override ProcessProbe? Probe => _probe;

    internal override long CachedBytes => Directory.Exists(CacheFolder) ? DiskUsage.Of(CacheFolder) : 0;

    protected string MountPoint { get; } = Path.Combine(folder, name, "mount");
    internal string CacheFolder { get; } = Path.Combine(folder, name, "cache");
    protected string LogPath { get; } = Path.Combine(folder, name + ".log");

    /// <summary>How long the process may take until the mount is there.</summary>
    protected virtual TimeSpan StartLimit => TimeSpan.FromSeconds(60);

    /// <summary>What to start so that it serves the data set at <see cref="MountPoint"/> and stays in the foreground.</summary>
    protected abstract ProcessStartInfo StartInfo(Dataset dataset, long cacheBytes);

    internal override async Task Open(Dataset dataset, long cacheBytes, CancellationToken cancellation)
    {
        await Close();
        await Start(dataset, cacheBytes, cancellation);
    }

    /// <summary>Ends the process and starts it again over the cache it left.</summary>
    internal async Task Restart(Dataset dataset, long cacheBytes, CancellationToken cancellation)
    {
        await Stop();
        await Start(dataset, cacheBytes, cancellation);
    }

    /// <summary>Starts the process and returns at once; <see cref="WaitUntilMounted"/> follows.</summary>
    internal void Launch(Dataset dataset, long cacheBytes)
    {
        Directory.CreateDirectory(MountPoint);
        Directory.CreateDirectory(CacheFolder);
        ProcessStartInfo start = StartInfo(dataset, cacheBytes);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        // An empty standard input, so that nothing can wait for a terminal.
        start.RedirectStandardInput = true;
        File.WriteAllText(LogPath, $"{start.FileName} {string.Join(' ', start.ArgumentList)}\n");
        _process = Process.Start(start) ?? throw new BenchmarkException($"cannot start {start.FileName}");
        _process.StandardInput.Close();
        _process.OutputDataReceived += (_, line) => Log(line.Data);
        _process.ErrorDataReceived += (_, line) => Log(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        _probe = new ProcessProbe(_process.Id);
        Root = MountPoint;
    }

    /// <summary>Returns when the kernel lists the mount.</summary>
    internal async Task WaitUntilMounted(CancellationToken cancellation)
    {
        long deadline = Environment.TickCount64 + (long)StartLimit.TotalMilliseconds;
        while (!MountTable.Contains(MountPoint))
        {
            if (_process is null || _process.HasExited) throw new BenchmarkException($"{Name} ended before it had mounted: {LogTail()} (all of it: {LogPath})");
            if (Environment.TickCount64 > deadline) throw new BenchmarkException($"{Name} did not mount within {StartLimit.TotalSeconds:F0} s: {LogTail()} (all of it: {LogPath})");
            await Task.Delay(5, cancellation);
        }
    }

    internal override async Task Close()
    {
        await Stop();
        await Tree.Remove(Path.Combine(folder, name));
    }

    /// <summary>Ends the process and unmounts; the cache stays.</summary>
    internal async Task Stop()
    {
        if (_process is { } process)
        {
            if (!process.HasExited) Libc.kill(process.Id, Libc.SIGTERM);
            using var limit = new CancellationTokenSource(StopLimit);
            try
            {
                await process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                Log($"still running {StopLimit.TotalSeconds:F0} s after SIGTERM: killed");
                process.Kill();
                await process.WaitForExitAsync(CancellationToken.None);
            }

            process.Dispose();
            _process = null;
            _probe = null;
        }

        foreach (string point in MountTable.Below(Path.Combine(folder, name))) await Shell.Run("umount", ["-l", point]);
    }

    /// <summary>The last words of the process; the first line of the log is its command line.</summary>
    private string LogTail() => File.Exists(LogPath) ? string.Join(' ', File.ReadLines(LogPath).Skip(1).TakeLast(3)) : "";

    private async Task Start(Dataset dataset, long cacheBytes, CancellationToken cancellation)
    {
        Launch(dataset, cacheBytes);
        await WaitUntilMounted(cancellation);
    }

    private void Log(string? line)
    {
        if (line is null) return;
        lock (_logLock) File.AppendAllText(LogPath, line + "\n");
    }
}
