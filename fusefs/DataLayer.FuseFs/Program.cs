using System.CommandLine;
using System.Runtime.InteropServices;
using DataLayer.Cache;
using DataLayer.Formats;
using DataLayer.Fuse;
using DataLayer.FuseFs;
using DataLayer.FuseFs.CommandLine;

RootCommand root = new("""
    Mount datasets from S3/OSS buckets and NAS directories as read-only POSIX filesystems with a local cache.

    Start with:
      dl-fuse mount s3://bucket/prefix /mnt/data
      dl-fuse mount /nas/images=images s3://bucket/labels=labels /mnt/data --cache-size 100GiB
    """)
{
    MountCommand.Create(),
    SnapshotCommand.Create(),
    ShowCommand.Create(),
    WarmCommand.Create(),
    StatsCommand.Create(),
    UnmountCommand.Create(),
    CheckCommand.Create(),
    DoctorCommand.Create(),
    HoldCommands.Upgrade(),
    HoldCommands.Held(),
    HoldCommands.Serve(),
    HoldCommands.Hold(),
};

ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (System.CommandLine.Parsing.ParseError error in parsed.Errors) Console.Error.WriteLine($"dl-fuse: {error.Message}");
    string command = parsed.CommandResult.Command is RootCommand ? "dl-fuse" : $"dl-fuse {parsed.CommandResult.Command.Name}";
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
catch (Exception fault) when (fault is UserException or SourceException or ManifestException or FuseException or StoreException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"dl-fuse: {fault.Message}");
    return 1;
}

void Cancel(PosixSignalContext context)
{
    context.Cancel = true;
    interrupted.Cancel();
}
