using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Json;
using DataLayer.EndToEndBenchmarks;
using DataLayer.EndToEndBenchmarks.Data;
using DataLayer.EndToEndBenchmarks.Reading;
using DataLayer.EndToEndBenchmarks.Server;

var root = new RootCommand("End-to-end benchmark of DataLayer: epochs over a mount, next to ext4, plain HTTP and other mounts.")
{
    EpochsCommand.Create(), ServerCommand(), PlainCommand(), ReaderCommand(),
};
try
{
    // No termination timeout: unmounting everything after Ctrl-C may take longer than the library's two seconds.
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (Exception error) when (error is BenchmarkException or IOException or InvalidDataException)
{
    Console.Error.WriteLine($"dl-bench: {error.Message}");
    return 1;
}

static Command ServerCommand()
{
    var folder = new Option<string>("--folder") { Description = "where the data sets are", Required = true };
    var port = new Option<int>("--port") { Description = "on 127.0.0.1; 0 takes a free one" };
    var latency = new Option<double>("--latency") { Description = "milliseconds added to each request", DefaultValueFactory = _ => 15 };
    var rate = new Option<long>("--rate") { Description = "bytes per second of all connections together; 0 for no cap", DefaultValueFactory = _ => 1_000_000_000 };
    var watched = new Option<bool>("--until-input-ends") { Description = "end when standard input does", Hidden = true };
    var names = new Argument<string[]>("data-set") { Description = "file names of data sets in the folder, without extension", Arity = ArgumentArity.OneOrMore };
    var command = new Command("s3-server", "Serves data sets as bucket 'bench', read-only and without looking at signatures, with a latency and a bandwidth cap.")
    {
        folder, port, latency, rate, watched, names,
    };
    command.SetAction(parsed =>
    {
        Dataset[] datasets = [.. parsed.GetRequiredValue(names).Select(name => Dataset.OpenExisting(parsed.GetRequiredValue(folder), name))];
        using var store = new ObjectStore(datasets);
        using var server = new S3Server(
            store, ServerProcess.Bucket, parsed.GetValue(port), TimeSpan.FromMilliseconds(parsed.GetValue(latency)), parsed.GetValue(rate));
        using PosixSignalRegistration onTerm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => { context.Cancel = true; server.Stop(); });
        using PosixSignalRegistration onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => { context.Cancel = true; server.Stop(); });
        if (parsed.GetValue(watched))
        {
            // A benchmark that was killed leaves no server behind.
            new Thread(() => { while (Console.In.Read() >= 0) { } server.Stop(); }) { IsBackground = true }.Start();
        }

        Console.WriteLine($"serving s3://{ServerProcess.Bucket} at http://127.0.0.1:{server.Port}");
        server.Run();
        return 0;
    });
    return command;
}

static Command PlainCommand()
{
    var folder = new Option<string>("--folder") { Required = true };
    var data = new Option<string>("--data") { Description = "file name of a data set in the folder, without extension", Required = true };
    var port = new Option<int>("--port") { Required = true };
    var connections = new Option<int>("--connections") { DefaultValueFactory = _ => 64 };
    var slice = new Option<long>("--slice") { Description = "fetch in ranges of so many bytes; 0 fetches whole objects and checks them" };
    var seed = new Option<ulong>("--seed") { DefaultValueFactory = _ => 1 };
    var command = new Command("plain", "Fetches every object of a data set over plain HTTP connections; prints one line of JSON.") { folder, data, port, connections, slice, seed };
    command.SetAction(parsed =>
    {
        using Dataset dataset = Dataset.OpenExisting(parsed.GetRequiredValue(folder), parsed.GetRequiredValue(data));
        using var client = new PlainClient(
            dataset, ServerProcess.Bucket, parsed.GetValue(port), parsed.GetValue(connections),
            Permutation.Of(dataset.Index.Count, parsed.GetValue(seed)), parsed.GetValue(slice));
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        (TimeSpan elapsed, int requests, long bytes) = client.Run();
        var result = new PlainResult(elapsed.TotalSeconds, requests, bytes, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
        Console.WriteLine(JsonSerializer.Serialize(result));
        return 0;
    });
    return command;
}

static Command ReaderCommand()
{
    var command = new Command("reader", "Reads files as told on standard input.") { Hidden = true };
    command.SetAction(_ =>
    {
        ReaderProcess.Run(Console.In, Console.Out);
        return 0;
    });
    return command;
}
