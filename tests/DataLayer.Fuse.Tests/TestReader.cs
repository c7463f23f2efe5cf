using System.Diagnostics;
using System.Text;

namespace DataLayer.Fuse.Tests;

/// <summary>
/// The child process that reads a mount: the process that serves one must not touch it. Every question is bounded; a reader
/// that does not answer is killed.
/// </summary>
sealed class TestReader : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    readonly Process _process;

    public TestReader(params string[] launcher) => _process = Start(launcher);

    public static string ProgramPath { get; } = Path.Combine(AppContext.BaseDirectory.Replace("DataLayer.Fuse.Tests", "DataLayer.TestReader", StringComparison.Ordinal), "DataLayer.TestReader");

    /// <summary>Starts the program, below <paramref name="words"/> that run another one as another user, with its own arguments behind "--".</summary>
    public static Process Start(string[] words)
    {
        int separator = Array.IndexOf(words, "--");
        string[] launcher = separator < 0 ? words : words[..separator];
        string[] arguments = separator < 0 ? [] : words[(separator + 1)..];
        string[] line = [.. launcher, ProgramPath, .. arguments];
        ProcessStartInfo start = new(line[0], line[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        return Process.Start(start)!;
    }

    /// <summary>Sends a command whose words are percent-encoded where needed; the answer.</summary>
    public string Ask(params object[] words) => AskAsync(words).WaitAsync(Patience).GetAwaiter().GetResult();

    public async Task<string> AskAsync(params object[] words)
    {
        await _process.StandardInput.WriteLineAsync(string.Join(' ', words));
        await _process.StandardInput.FlushAsync();
        return await _process.StandardOutput.ReadLineAsync() ?? "ended: " + await _process.StandardError.ReadToEndAsync();
    }

    /// <summary>Bytes as a word of a command.</summary>
    public static string Word(string path) => Word(Encoding.UTF8.GetBytes(path));

    public static string Word(byte[] path) =>
        string.Concat(path.Select(static b => char.IsAsciiLetterOrDigit((char)b) || b is (byte)'/' or (byte)'.' or (byte)'-' or (byte)'_' ? ((char)b).ToString() : $"%{b:X2}"));

    /// <summary>Runs any program to its end; its output.</summary>
    public static (int Code, string Output) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.Latin1 };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end");
        }
        return (process.ExitCode, output.Result + error.Result);
    }

    public void Kill()
    {
        _process.Kill();
        if (!_process.WaitForExit(Patience)) throw new TimeoutException($"Process {_process.Id} does not die.");
    }

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }
}
