using System.CommandLine;
using System.Runtime.InteropServices;
using DataLayer.Cache;
using DataLayer.CacheWorker;
using DataLayer.CacheWorker.CommandLine;
using DataLayer.Formats;

RootCommand root = new("""
    The cache daemon of a node: serves datasets to the node's mounts and shares what it holds with the other workers.

    Start with:
      dl-worker serve --datasets datasets.json --cache-dir /nvme/datalayer --socket /run/datalayer/worker.sock
      dl-fuse mount --worker /run/datalayer/worker.sock train /mnt/train
    """)
{
    ServeCommand.Create(),
    StatusCommand.Create(),
    WarmCommand.Create(),
    TokenCommand.Create(),
    CheckCommand.Create(),
};

ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (System.CommandLine.Parsing.ParseError error in parsed.Errors) Console.Error.WriteLine($"dl-worker: {error.Message}");
    string command = parsed.CommandResult.Command is RootCommand ? "dl-worker" : $"dl-worker {parsed.CommandResult.Command.Name}";
    Console.Error.WriteLine($"Run '{command} --help' for what it takes.");
    return 2;
}

using CancellationTokenSource interrupted = new();
using PosixSignalRegistration onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
using PosixSignalRegistration onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, interrupted.Token);
}
catch (OperationCanceledException)
{
    return 130; // as a shell reports a process ended by SIGINT
}
catch (Exception fault) when (fault is UserException or SourceException or ManifestException or StoreException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"dl-worker: {fault.Message}");
    return 1;
}

void Cancel(PosixSignalContext context)
{
    context.Cancel = true;
    interrupted.Cancel();
}
