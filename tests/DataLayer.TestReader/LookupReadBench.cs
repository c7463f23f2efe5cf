using System.Diagnostics;
using System.Text;

namespace DataLayer.TestReader;

/// <summary>First lookup, open, read and close of many small files, by several client processes at once.</summary>
static unsafe class LookupReadBench
{
    /// <summary>Prints the files per second of all clients together. Files are DIRECTORY/0 to DIRECTORY/COUNT-1.</summary>
    public static int Run(string directory, int count, int clients)
    {
        List<Process> all = [];
        for (int i = 0; i < clients; i++)
        {
            string[] arguments = ["bench-client", directory, $"{(long)count * i / clients}", $"{(long)count * (i + 1) / clients}"];
            all.Add(Process.Start(new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!);
        }
        foreach (Process client in all) client.StandardOutput.ReadLine();
        Stopwatch watch = Stopwatch.StartNew();
        foreach (Process client in all) client.StandardInput.WriteLine();
        foreach (Process client in all) client.StandardOutput.ReadLine();
        Console.WriteLine($"{count / watch.Elapsed.TotalSeconds:0}");
        foreach (Process client in all) client.WaitForExit();
        return all.Max(static client => client.ExitCode);
    }

    public static int RunClient(string directory, int from, int to)
    {
        byte[][] paths = [.. Enumerable.Range(from, to - from).Select(index => Encoding.UTF8.GetBytes($"{directory}/{index}\0"))];
        byte* buffer = stackalloc byte[4096];
        Console.Out.WriteLine("ready");
        Console.Out.Flush();
        Console.In.ReadLine();
        int failed = 0;
        foreach (byte[] path in paths)
        {
            int file = Native.Open(path, Native.ReadOnly, 0);
            if (file < 0 || Native.Read(file, buffer, 4096) < 0) failed++;
            if (file >= 0) Native.Close(file);
        }
        Console.Out.WriteLine("done");
        Console.Out.Flush();
        return failed == 0 ? 0 : 1;
    }
}
