using System.Diagnostics;
using System.Text.Json;
using DataLayer.TestKit;

namespace DataLayer.EndToEnd.Tests;

/// <summary>The dl-fuse executable, run as users run it.</summary>
static class DlFuse
{
    public static readonly string Assembly = Path.Combine(AppContext.BaseDirectory, "dl-fuse.dll");

    public static ShellResult Run(params string[] arguments) => Shell.Run("dotnet", [Assembly, .. arguments]);

    public static JsonElement RunJson(params string[] arguments) => JsonDocument.Parse(Run(arguments).Checked).RootElement;

    public static ProcessStartInfo Start(params string[] arguments) => new("dotnet", [Assembly, .. arguments])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };
}

/// <summary>A running `dl-fuse mount` in a process of its own. Dispose unmounts, and fails the test if that was not clean.</summary>
sealed class Mounted : IDisposable
{
    readonly Process process;
    readonly List<string> errors = [];
    bool ended;

    /// <param name="arguments">What follows `mount`, without the mount point.</param>
    public Mounted(string mountPoint, params string[] arguments) : this(mountPoint, null, arguments)
    {
    }

    public Mounted(string mountPoint, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        MountPoint = mountPoint;
        ProcessStartInfo start = DlFuse.Start(["mount", arguments[0], .. arguments[1..].TakeWhile(a => !a.StartsWith('-')), mountPoint, .. arguments.SkipWhile(a => !a.StartsWith('-'))]);
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        process = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (errors)
                if (line.Data is not null) errors.Add(line.Data);
        };
        process.BeginErrorReadLine();
        Task<string?> ready = process.StandardOutput.ReadLineAsync();
        if (!ready.Wait(TimeSpan.FromSeconds(60)) || ready.Result is null)
        {
            if (!process.HasExited) process.Kill();
            process.WaitForExit();
            ended = true;
            throw new InvalidOperationException($"dl-fuse mount did not become ready (exit code {process.ExitCode}):\n{Errors}");
        }

        ReadyLine = ready.Result;
    }

    public string MountPoint { get; }
    public string ReadyLine { get; }
    public int Pid => process.Id;

    public string Errors
    {
        get
        {
            lock (errors) return string.Join('\n', errors);
        }
    }

    public JsonElement Stats() => DlFuse.RunJson("stats", MountPoint, "--json");

    public long Stat(string name) => Stats().GetProperty(name).GetInt64();

    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
        ended = true;
    }

    /// <summary>Somebody else has seen to its end.</summary>
    public void Abandon()
    {
        if (!process.WaitForExit(TimeSpan.FromSeconds(40))) throw new TimeoutException($"dl-fuse did not end:\n{Errors}");
        ended = true;
        process.Dispose();
    }

    /// <summary>SIGTERM; returns the exit code.</summary>
    public int Terminate()
    {
        Shell.Bash("kill -TERM $1", Pid.ToString()).Checked.ToString();
        if (!process.WaitForExit(TimeSpan.FromSeconds(40)))
        {
            process.Kill();
            throw new TimeoutException($"dl-fuse did not end after SIGTERM:\n{Errors}");
        }

        ended = true;
        return process.ExitCode;
    }

    public void Dispose()
    {
        if (!ended)
        {
            int code = Terminate();
            if (code != 0) throw new InvalidOperationException($"dl-fuse ended with exit code {code}:\n{Errors}");
        }

        process.Dispose();
    }
}
