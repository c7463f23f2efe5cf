using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace DataLayer.EndToEndBenchmarks.Reading;

/// <summary>What all readers of an epoch did together, from the opening of the gate to the end of the last.</summary>
internal sealed record Epoch(double Seconds, long Files, long Bytes, double ReaderCpuSeconds);

/// <summary>
/// The reader processes. They live as long as the benchmark, so that dropping the page cache never makes an epoch pay for
/// starting them; all mounts are read by them and never by the benchmark's own process.
/// </summary>
internal sealed class ReaderPool : IDisposable
{
    private readonly List<Process> _processes = [];
    private readonly string _gatePath;

    /// <param name="count">How many processes there are at most in one epoch.</param>
    /// <param name="folder">Where the gate file goes.</param>
    internal ReaderPool(int count, string folder)
    {
        _gatePath = Path.Combine(folder, "gate");
        File.WriteAllBytes(_gatePath, []);
        for (int i = 0; i < count; i++) _processes.Add(Start());
    }

    /// <summary>This program, also when a test host runs its code.</summary>
    internal static string Executable { get; } = Path.Combine(AppContext.BaseDirectory, "dl-bench");

    internal int Count => _processes.Count;

    /// <summary>
    /// Runs one job on <paramref name="readers"/> processes. <paramref name="atStart"/> runs right after the clock started
    /// and before the gate opens.
    /// </summary>
    /// <exception cref="BenchmarkException">A reader saw an error or wrong bytes, died, or took longer than the limit.</exception>
    internal async Task<Epoch> Run(ReaderJob job, int readers, TimeSpan limit, CancellationToken cancellation, Action? atStart = null)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(limit);
        using FileStream gate = File.Open(_gatePath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        int gateFd = (int)gate.SafeFileHandle.DangerousGetHandle();
        if (Libc.flock(gateFd, Libc.LOCK_EX) < 0) throw Libc.Failure($"cannot lock {_gatePath}");
        Process[] running = [.. _processes.Take(readers)];
        if (running.Length < readers) throw new BenchmarkException($"{readers} readers wanted, {running.Length} there");
        try
        {
            for (int i = 0; i < readers; i++)
            {
                string line = JsonSerializer.Serialize(job with { Gate = _gatePath, Reader = i, Readers = readers });
                await running[i].StandardInput.WriteLineAsync(line.AsMemory(), timeout.Token);
                await running[i].StandardInput.FlushAsync(timeout.Token);
            }

            foreach (Process process in running)
            {
                string? line = await process.StandardOutput.ReadLineAsync(timeout.Token);
                if (line != "ready") throw new BenchmarkException($"a reader could not start its work: {line ?? "it ended"}");
            }

            // Descriptor numbers differ, so the readers' locks wait behind this one, wake together, and share.
            long start = Stopwatch.GetTimestamp();
            atStart?.Invoke();
            if (Libc.flock(gateFd, Libc.LOCK_UN) < 0) throw Libc.Failure($"cannot unlock {_gatePath}");
            var answers = new List<ReaderAnswer>();
            foreach (Process process in running)
            {
                string? line = await process.StandardOutput.ReadLineAsync(timeout.Token);
                answers.Add(line is null
                    ? throw new BenchmarkException("a reader died while reading")
                    : JsonSerializer.Deserialize<ReaderAnswer>(line)!);
            }

            long errors = answers.Sum(answer => answer.Errors);
            if (errors > 0)
                throw new BenchmarkException($"{errors} reads failed, the first: {answers.First(answer => answer.Errors > 0).FirstError}");
            return new Epoch(
                (answers.Max(answer => answer.EndedAt) - start) / (double)Stopwatch.Frequency,
                answers.Sum(answer => answer.Files), answers.Sum(answer => answer.Bytes), answers.Sum(answer => answer.CpuSeconds));
        }
        catch (Exception error) when (error is OperationCanceledException or IOException or BenchmarkException)
        {
            // Whatever they are in the middle of, they would answer it to the next job.
            foreach (Process process in running) Replace(process);
            if (error is OperationCanceledException && !cancellation.IsCancellationRequested)
                throw new BenchmarkException($"the readers did not finish within {limit.TotalSeconds:F0} s", error);
            throw;
        }
    }

    public void Dispose()
    {
        foreach (Process process in _processes) End(process);
        File.Delete(_gatePath);
    }

    private static Process Start()
    {
        var start = new ProcessStartInfo(Executable, ["reader"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        return Process.Start(start)!;
    }

    private void Replace(Process process)
    {
        End(process);
        _processes[_processes.IndexOf(process)] = Start();
    }

    private static void End(Process process)
    {
        // A reader that hangs in a dead mount goes when the mount does; it is not waited for.
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }
}
