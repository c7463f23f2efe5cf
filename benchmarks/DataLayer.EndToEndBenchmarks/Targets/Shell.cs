using System.Diagnostics;

namespace DataLayer.EndToEndBenchmarks.Targets;

/// <summary>A program run to its end, with its output kept.</summary>
internal static class Shell
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    /// <returns>Exit code, and what it printed on both streams.</returns>
    internal static async Task<(int Code, string Text)> Run(
        string program, IEnumerable<string> arguments, TimeSpan? limit = null, bool discardOutput = false)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        }) ?? throw new BenchmarkException($"cannot start {program}");
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task<string> output = discardOutput ? Discard(process.StandardOutput.BaseStream) : process.StandardOutput.ReadToEndAsync();
        using var timeout = new CancellationTokenSource(limit ?? Limit);
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(true);
            throw new BenchmarkException($"{program} {string.Join(' ', arguments)} did not end in time");
        }

        return (process.ExitCode, await output + await error);
    }

    /// <summary>The same, where failing ends the phase.</summary>
    internal static async Task<string> Check(
        string program, IEnumerable<string> arguments, TimeSpan? limit = null, bool discardOutput = false)
    {
        (int code, string text) = await Run(program, arguments, limit, discardOutput);
        return code == 0 ? text : throw new BenchmarkException($"{program} {string.Join(' ', arguments)} failed with {code}: {text.Trim()}");
    }

    private static async Task<string> Discard(Stream stream)
    {
        await stream.CopyToAsync(Stream.Null);
        return "";
    }

    internal static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));
}
