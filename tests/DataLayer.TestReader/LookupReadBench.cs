using System.Diagnostics;
using System.Text;
using DataLayer.Fuse;

namespace DataLayer.TestReader;

/// <summary>First lookup, open, read and close of many small files, by several client processes at once.</summary>
static unsafe class LookupReadBench
{
    /// <summary>
    /// Prints files per second for each transport with 1, 2 and 8 clients, each time on a fresh mount in a fresh process, the
    /// median of <paramref name="rounds"/> alternations. Root: switches io_uring on.
    /// </summary>
    public static int RunAll(int count, int size, int rounds)
    {
        FuseTransportKind[] transports = [FuseTransportKind.SingleDescriptor, FuseTransportKind.ClonedDescriptors, FuseTransportKind.IoUring];
        int[] clients = [1, 2, 8];
        Dictionary<(FuseTransportKind, int), List<double>> all = [];
        for (int round = 0; round < rounds; round++)
        {
            foreach (int number in clients)
            {
                foreach (FuseTransportKind transport in transports)
                {
                    if (!all.TryGetValue((transport, number), out List<double>? results)) all[(transport, number)] = results = [];
                    results.Add(RunOne(transport, count, size, number));
                }
            }
        }
        Console.WriteLine($"first lookup, open, read, close of {count} files of {size} bytes: files/s, median of {rounds}");
        foreach (FuseTransportKind transport in transports)
            Console.WriteLine($"{transport,-18}{string.Concat(clients.Select(number => $"{number,3} clients {all[(transport, number)].Order().ElementAt(rounds / 2),8:0}"))}");
        return 0;
    }

    /// <summary>Serves the files until standard input ends.</summary>
    public static int Serve(string mountPoint, FuseTransportKind transport, int count, int size)
    {
        using FuseConnection connection = FuseConnection.Mount(mountPoint, new LeanFileSystem(count, size), new FuseOptions { Transport = transport, EnableUring = true });
        Console.Out.WriteLine($"ready {connection.Transport}");
        Console.Out.Flush();
        Console.In.ReadToEnd();
        return connection.Transport == transport ? 0 : 1;
    }

    static double RunOne(FuseTransportKind transport, int count, int size, int clients)
    {
        string mountPoint = Directory.CreateTempSubdirectory("fuse-bench-").FullName;
        using Process server = Start(["bench-serve", mountPoint, $"{transport}", $"{count}", $"{size}"]);
        if (server.StandardOutput.ReadLine() != $"ready {transport}") throw new InvalidOperationException($"{transport} is not available here.");
        // Half of the files warm the server up: just-in-time compilation is not what is measured.
        RunClients(mountPoint, 0, count / 2, clients);
        double rate = RunClients(mountPoint, count / 2, count, clients);
        server.StandardInput.Close();
        server.WaitForExit();
        Directory.Delete(mountPoint);
        return rate;
    }

    static double RunClients(string directory, int from, int to, int clients)
    {
        List<Process> all = [];
        for (int i = 0; i < clients; i++)
            all.Add(Start(["bench-client", directory, $"{from + (long)(to - from) * i / clients}", $"{from + (long)(to - from) * (i + 1) / clients}"]));
        foreach (Process client in all) client.StandardOutput.ReadLine();
        Stopwatch watch = Stopwatch.StartNew();
        foreach (Process client in all)
        {
            client.StandardInput.WriteLine();
            client.StandardInput.Flush();
        }
        foreach (Process client in all) client.StandardOutput.ReadLine();
        double rate = (to - from) / watch.Elapsed.TotalSeconds;
        foreach (Process client in all)
        {
            client.WaitForExit();
            if (client.ExitCode != 0) throw new InvalidOperationException("A client failed.");
            client.Dispose();
        }
        return rate;
    }

    static Process Start(string[] arguments) =>
        Process.Start(new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

    public static int RunClient(string directory, int from, int to)
    {
        byte[][] paths = [.. Enumerable.Range(from, to - from).Select(index => Encoding.UTF8.GetBytes($"{directory}/{index}\0"))];
        byte* buffer = stackalloc byte[128 << 10];
        Console.Out.WriteLine("ready");
        Console.Out.Flush();
        Console.In.ReadLine();
        int failed = 0;
        foreach (byte[] path in paths)
        {
            int file = Native.Open(path, Native.ReadOnly, 0);
            if (file < 0 || Native.Read(file, buffer, 128 << 10) < 0) failed++;
            if (file >= 0) Native.Close(file);
        }
        Console.Out.WriteLine("done");
        Console.Out.Flush();
        return failed == 0 ? 0 : 1;
    }
}
