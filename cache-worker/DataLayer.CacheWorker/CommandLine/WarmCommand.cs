using System.CommandLine;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using DataLayer.CacheWorker.Warming;
using DataLayer.FuseFs.CommandLine;

namespace DataLayer.CacheWorker.CommandLine;

/// <summary>`dl-worker warm`.</summary>
static class WarmCommand
{
    public static Command Create()
    {
        Argument<string> dataset = new("DATASET") { Description = "A registered dataset." };
        Argument<string[]> paths = new("PATH") { Description = "Files or directories of it (default: everything).", Arity = ArgumentArity.ZeroOrMore };
        Option<string> socket = SocketClient.Option();
        Option<bool> json = SocketClient.Json();
        Option<string?> bandwidth = new("--bandwidth") { Description = "Bytes per second at most, over all workers, like 500MiB.", HelpName = "SIZE" };
        Command command = new("warm", """
            Fetch a dataset into the caches of its homes.

            Ctrl-C ends it; run it again to go on, what is there is not fetched again. Reads of running jobs go first.
            """) { dataset, paths, socket, bandwidth, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            long limit = 0;
            if (parsed.GetValue(bandwidth) is { } text && (!Values.TryParseSize(text, out limit) || limit < 1)) throw new UserException($"--bandwidth '{text}' is not understood; write it like 500MiB.");
            WarmRequest request = new(parsed.GetValue(paths) ?? [], limit);
            using HttpResponseMessage response = await SocketClient.SendAsync(
                parsed.GetValue(socket)!, HttpMethod.Post, $"/v1/datasets/{Uri.EscapeDataString(parsed.GetValue(dataset)!)}/warm", JsonContent.Create(request, WarmJson.Default.WarmRequest), cancellation);
            await using Stream body = await response.Content.ReadAsStreamAsync(cancellation);
            WarmProgress last = await FollowAsync(body, parsed.GetValue(json), cancellation);
            if (last.Error is { } error) throw new UserException(error);
            if (!last.Done) throw new UserException("the worker went away before the warm-up was complete; run it again to go on.");
            if (!parsed.GetValue(json)) Console.WriteLine($"warmed {Values.Size(last.Bytes)}");
            return 0;
        });
        return command;
    }

    static async Task<WarmProgress> FollowAsync(Stream body, bool json, CancellationToken cancellation)
    {
        using StreamReader lines = new(body);
        Stopwatch clock = Stopwatch.StartNew();
        WarmProgress last = new(0, 0);
        while (await lines.ReadLineAsync(cancellation) is { } line)
        {
            last = JsonSerializer.Deserialize(line, WarmJson.Default.WarmProgress)!;
            if (json) Console.WriteLine(line);
            else if (!Console.IsErrorRedirected) Show(last, clock.Elapsed);
        }
        if (!json && !Console.IsErrorRedirected) Console.Error.WriteLine();
        return last;
    }

    static void Show(WarmProgress progress, TimeSpan elapsed)
    {
        const int width = 30;
        double share = progress.TotalBytes == 0 ? 0 : (double)progress.Bytes / progress.TotalBytes;
        string bar = new string('#', (int)(share * width)).PadRight(width, '.');
        Console.Error.Write($"\r[{bar}] {Values.Size(progress.Bytes)} of {Values.Size(progress.TotalBytes)}, {Values.Size((long)(progress.Bytes / Math.Max(0.1, elapsed.TotalSeconds)))}/s   ");
    }
}
