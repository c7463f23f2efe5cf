using System.Diagnostics;
using System.Runtime.InteropServices;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>
/// `mount --daemon`: starts the same command once more as a background process, hands on its ready line or its error, and
/// leaves. A runtime with threads cannot fork, so the second process is a fresh one.
/// </summary>
static partial class Daemon
{
    const string ChildVariable = "DATALAYER_DAEMON_LOG";

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    private static partial int NewSession();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int Duplicate(int from, int to);

    /// <returns>The exit code of the process in the foreground.</returns>
    public static int Start(string? logFile)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        string[] arguments = Environment.GetCommandLineArgs();
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(arguments[0]);
        foreach (string argument in arguments[1..].Where(argument => argument != "--daemon")) start.ArgumentList.Add(argument);
        start.Environment[ChildVariable] = logFile is null ? "/dev/null" : Path.GetFullPath(logFile);
        using Process child = Process.Start(start)!;
        child.StandardInput.Close();
        child.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null) Console.Error.WriteLine(line.Data);
        };
        child.BeginErrorReadLine();
        string? ready = child.StandardOutput.ReadLine();
        if (ready is null)
        {
            child.WaitForExit();
            return child.ExitCode == 0 ? 1 : child.ExitCode;
        }

        Console.WriteLine($"{ready} (process {child.Id})");
        return 0;
    }

    /// <summary>In the background process, once ready: leaves the terminal's session and turns its output to the log.</summary>
    public static void Detach()
    {
        const int writeOnly = 1, create = 0x40, append = 0x400, closeOnExec = 0x80000;
        if (Environment.GetEnvironmentVariable(ChildVariable) is not { } log) return;
        _ = NewSession();
        int descriptor = Open(log, writeOnly | create | append | closeOnExec, 0b110_100_000);
        if (descriptor < 0) throw new UserException($"--log-file {log}: cannot be opened for writing.");
        // The runtime's console writes to descriptors of its own; what it prints when it crashes goes to these two.
        Console.SetOut(TextWriter.Null);
        Console.SetError(new StreamWriter(log, append: true) { AutoFlush = true });
        if (Duplicate(descriptor, 1) < 0 || Duplicate(descriptor, 2) < 0) throw new UserException($"--log-file {log}: {Marshal.GetLastPInvokeErrorMessage()}");
    }
}
