using System.CommandLine;
using System.Text;
using System.Text.Json;
using DataLayer.FuseFs.Control;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>`dl-fuse stats`: counters of a running mount.</summary>
static class StatsCommand
{
    public static Command Create()
    {
        Argument<string> mountPoint = new("MOUNTPOINT") { Description = "A mounted dataset." };
        Option<bool> watch = new("--watch") { Description = "Print again every second until interrupted." };
        Option<bool> json = SharedOptions.Json();
        Command command = new("stats", "Show hits, misses, bytes, requests and errors of a mount.") { mountPoint, watch, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            string path = parsed.GetValue(mountPoint)!;
            MountStats? last = null;
            do
            {
                MountStats stats = await ReadAsync(path, cancellation);
                if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(stats, (parsed.GetValue(watch) ? ControlJson.Default : ControlJson.Indented).MountStats));
                else if (parsed.GetValue(watch)) PrintLine(stats, last);
                else Print(stats);
                last = stats;
                if (parsed.GetValue(watch)) await Task.Delay(1000, cancellation);
            }
            while (parsed.GetValue(watch));
            return 0;
        });
        return command;
    }

    public static async Task<MountStats> ReadAsync(string mountPoint, CancellationToken cancellation)
    {
        await using ControlClient client = await ControlClient.OpenAsync(mountPoint, cancellation);
        await client.SendAsync(new ControlRequest { Command = "stats" }, cancellation);
        string line = await client.ReadLineAsync(cancellation) ?? throw new UserException($"{mountPoint}: the mount closed the connection without an answer.");
        return JsonSerializer.Deserialize(line, ControlJson.Default.MountStats)!;
    }

    static void Print(MountStats stats)
    {
        Console.WriteLine($"snapshot     {stats.Snapshot}, {TimeSpan.FromSeconds(stats.SnapshotAgeSeconds):d\\.hh\\:mm\\:ss} old, {stats.Files:N0} files, {Values.Size(stats.DatasetBytes)}");
        foreach (string source in stats.Sources) Console.WriteLine($"source       {source}");
        Console.WriteLine($"reads        {stats.Hits:N0} hits, {stats.Misses:N0} misses");
        Console.WriteLine($"bytes        {Values.Size(stats.BytesFromCache)} from cache, {Values.Size(stats.BytesFromSource)} from the source in {stats.SourceReads:N0} reads");
        Console.WriteLine($"errors       {stats.SourceErrors:N0} source errors, {stats.StaleFiles:N0} stale files, {stats.RefreshFailures:N0} failed refreshes");
        Console.WriteLine($"cache        {Values.Size(stats.CacheUsedBytes)} of {Values.Size(stats.CacheCapacityBytes)}");
        Console.WriteLine($"transport    {stats.Transport}, open mode {stats.OpenMode} ({stats.PassthroughFiles:N0} files by passthrough), process {stats.Pid}, up {TimeSpan.FromSeconds(stats.UptimeSeconds):d\\.hh\\:mm\\:ss}");
        foreach ((string operation, long count) in stats.Requests.OrderByDescending(request => request.Value))
            Console.WriteLine($"  {operation,-14} {count,14:N0}");
    }

    static void PrintLine(MountStats now, MountStats? last)
    {
        last ??= now;
        long hits = now.Hits - last.Hits, misses = now.Misses - last.Misses;
        StringBuilder line = new();
        line.Append($"hits/s {hits,8:N0}  misses/s {misses,7:N0}  cache {Values.Size(now.BytesFromCache - last.BytesFromCache),11}/s");
        line.Append($"  source {Values.Size(now.BytesFromSource - last.BytesFromSource),11}/s  cached {Values.Size(now.CacheUsedBytes)}  errors {now.SourceErrors + now.StaleFiles:N0}");
        Console.WriteLine(line);
    }
}
