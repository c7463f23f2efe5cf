using System.CommandLine;
using System.Text.Json;
using DataLayer.FuseFs.Control;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse warm`: brings files of a mount into its cache.</summary>
static class WarmCommand
{
    public static Command Create()
    {
        Argument<string> mountPoint = new("MOUNTPOINT") { Description = "A mounted dataset." };
        Argument<string[]> paths = new("PATH")
        {
            Description = "Files or directories below it, relative to it or absolute (default: everything).",
            Arity = ArgumentArity.ZeroOrMore,
        };
        Option<string?> columns = new("--columns") { Description = "Of Parquet files, only these columns.", HelpName = "A,B" };
        Option<string?> where = new("--where") { Description = "Only partitions (k=v directories) that meet this, like \"ds>='20240101'\".", HelpName = "CONDITION" };
        Option<bool> json = SharedOptions.Json();
        Command command = new("warm", "Fetch files into the cache before they are read. Row views of table exports are fetched when they are named.") { mountPoint, paths, columns, where, json };
        SharedOptions.RefuseUnknownOptions(command, paths);
        command.SetAction(async (parsed, cancellation) =>
        {
            string mount = Path.GetFullPath(parsed.GetValue(mountPoint)!);
            string[] relative = parsed.GetValue(paths)!.Select(path => Below(mount, path)).ToArray();
            if (parsed.GetValue(columns) is not null || parsed.GetValue(where) is not null)
                return await WarmTableAsync(new WarmColumns(mount, parsed.GetValue(columns)?.Split(','), parsed.GetValue(where)), relative, parsed.GetValue(json), cancellation);
            await using ControlClient client = await ControlClient.OpenAsync(mount, cancellation);
            await client.SendAsync(new ControlRequest { Command = "warm", Paths = relative }, cancellation);
            WarmProgress last = new();
            if (parsed.GetValue(json)) last = await FollowAsync(client, progress => Console.WriteLine(JsonSerializer.Serialize(progress, ControlJson.Default.WarmProgress)), cancellation);
            else await Terminal.BarAsync("warming", async show => last = await FollowAsync(client, progress => show(progress.Bytes, progress.TotalBytes), cancellation));
            if (last.Error is { } error) throw new UserException(error);
            if (!last.Done) throw new UserException($"{mount}: the mount went away before the warm-up was complete.");
            if (!parsed.GetValue(json)) Console.WriteLine($"warmed {last.Files:N0} files, {Values.Size(last.TotalBytes)}");
            return 0;
        });
        return command;
    }

    static async Task<int> WarmTableAsync(WarmColumns warm, string[] relative, bool json, CancellationToken cancellation)
    {
        WarmedTable result = default;
        await Terminal.BarAsync("warming", async show => result = await warm.RunAsync(relative, show, cancellation));
        foreach (string fault in result.Faults) Console.Error.WriteLine($"dl-fuse: {fault}");
        WarmProgress done = new() { Files = result.Files, Bytes = result.Bytes, TotalBytes = result.Bytes, Done = true };
        if (json) Console.WriteLine(JsonSerializer.Serialize(done, ControlJson.Default.WarmProgress));
        else Console.WriteLine($"warmed {Values.Size(result.Bytes)} of {result.Files:N0} files");
        return result.Faults.Count == 0 ? 0 : 1;
    }

    static string Below(string mount, string path)
    {
        string full = Path.GetFullPath(path, mount);
        if (full == mount) return "";
        if (!full.StartsWith(mount + "/", StringComparison.Ordinal)) throw new UserException($"{path} is not below {mount}.");
        return full[(mount.Length + 1)..];
    }

    static async Task<WarmProgress> FollowAsync(ControlClient client, Action<WarmProgress> show, CancellationToken cancellation)
    {
        WarmProgress last = new();
        while (!last.Done && await client.ReadLineAsync(cancellation) is { } line)
        {
            last = JsonSerializer.Deserialize(line, ControlJson.Default.WarmProgress)!;
            show(last);
        }

        return last;
    }
}
