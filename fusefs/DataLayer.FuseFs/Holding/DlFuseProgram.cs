using System.Diagnostics;

namespace DataLayer.FuseFs.Holding;

/// <summary>How to start dl-fuse: the executable, or the runtime with its assembly.</summary>
static class DlFuseProgram
{
    /// <summary>The program that runs now.</summary>
    public static IReadOnlyList<string> Current =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.ProcessPath!, Environment.GetCommandLineArgs()[0]] : [Environment.ProcessPath!];

    /// <param name="path">An executable, or an assembly to run with the runtime that runs us.</param>
    /// <exception cref="UserException">There is no such file.</exception>
    public static IReadOnlyList<string> At(string path)
    {
        string full = Path.GetFullPath(path);
        if (!File.Exists(full)) throw new UserException($"--binary {path}: there is no such file.");
        if (!full.EndsWith(".dll", StringComparison.Ordinal)) return [full];
        string runtime = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";
        return [runtime, full];
    }

    /// <summary>Starts it with our environment and standard streams.</summary>
    public static Process Start(IReadOnlyList<string> program, params IEnumerable<string> arguments) =>
        Process.Start(new ProcessStartInfo(program[0], [.. program.Skip(1), .. arguments]))!;
}
