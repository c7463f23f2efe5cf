using DataLayer.Fuse;

namespace DataLayer.TestReader;

/// <summary>Serves a small tree until it is unmounted or killed; prints one line when ready.</summary>
static class Server
{
    public static int Run(string mountPoint, string[] options)
    {
        MemoryFileSystem files = new() { ZeroMessages = !options.Contains("open") };
        files.AddFile(files.Root, "file", 100_000);
        files.AddFile(files.Root, "hangs", 10, MemoryFileKind.Hangs);
        try
        {
            FuseMountPoint.RecoverStale(mountPoint);
            using FuseConnection connection = FuseConnection.Mount(mountPoint, files, new FuseOptions
            {
                Source = "test,with\\odd characters",
                AllowOther = options.Contains("allow-other"),
                Transport = options.Contains("single") ? FuseTransportKind.SingleDescriptor : options.Contains("uring") ? FuseTransportKind.IoUring : FuseTransportKind.ClonedDescriptors,
                EnableUring = options.Contains("uring"),
            });
            Console.Out.WriteLine($"ready {connection.Transport} {connection.ConnectionId}");
            Console.Out.Flush();
            // The starter closes our input to end us; an unmount from outside ends us as well.
            Task.WaitAny(connection.Completion, Task.Run(() => Obey(connection)));
            return 0;
        }
        catch (FuseException fault)
        {
            Console.Error.WriteLine(fault.Message);
            return 1;
        }
    }

    static void Obey(FuseConnection connection)
    {
        while (Console.In.ReadLine() is { } command)
        {
            if (command == "abort") connection.Abort();
        }
    }
}
