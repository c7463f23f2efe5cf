using System.Diagnostics;

namespace DataLayer.TestKit;

/// <summary>What a command printed, and its exit code.</summary>
public sealed record ShellResult(int ExitCode, string Output, string Errors)
{
    /// <summary>The output of a command that had to succeed.</summary>
    public string Checked => ExitCode == 0 ? Output : throw new InvalidOperationException($"exit code {ExitCode}\n{Output}\n{Errors}");
}

/// <summary>Runs real tools as child processes: a test must not touch a mount that its own process could be serving.</summary>
public static class Shell
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    /// <summary>Runs a bash script with positional arguments ($1, $2, …), which therefore need no quoting.</summary>
    public static ShellResult Bash(string script, params string[] arguments) => Run("bash", ["-c", script, "bash", .. arguments]);

    public static ShellResult Run(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} did not end within {Limit.TotalSeconds} s");
        }

        return new ShellResult(process.ExitCode, output.Result, errors.Result);
    }
}
