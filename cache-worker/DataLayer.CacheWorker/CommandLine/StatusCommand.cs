using System.CommandLine;
using System.Text.Json;
using DataLayer.Cache;
using DataLayer.CacheWorker.Serving;
using DataLayer.FuseFs.CommandLine;

namespace DataLayer.CacheWorker.CommandLine;

/// <summary>`dl-worker status`.</summary>
static class StatusCommand
{
    public static Command Create()
    {
        Option<string> socket = SocketClient.Option();
        Option<bool> json = SocketClient.Json();
        Command command = new("status", "What a worker holds and does.") { socket, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            using HttpResponseMessage response = await SocketClient.SendAsync(parsed.GetValue(socket)!, HttpMethod.Get, "/v1/status", null, cancellation);
            string text = await response.Content.ReadAsStringAsync(cancellation);
            StatusMessage status = JsonSerializer.Deserialize(text, WorkerJson.Default.StatusMessage)!;
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(status, WorkerJson.Indented.StatusMessage));
            else Print(status);
            return 0;
        });
        return command;
    }

    static void Print(StatusMessage status)
    {
        Console.WriteLine($"worker       {status.Node}{(status.Zone.Length > 0 ? $" in zone {status.Zone}" : "")}, protocol {status.Protocol}, up {TimeSpan.FromSeconds((long)status.UptimeSeconds)}{(status.Draining ? ", draining" : "")}");
        Console.WriteLine($"cache        {Values.Size(status.CacheUsed)} of {Values.Size(status.CacheCapacity)}, {status.BlockFiles:N0} block files, {status.Evictions:N0} evicted, {status.BadChecksums:N0} bad checksums");
        Console.WriteLine($"from source  {Values.Size(status.BytesFromSource)} in {status.SourceReads:N0} reads, {status.SourceErrors:N0} errors");
        Console.WriteLine($"from peers   {Values.Size(status.BytesFromPeers)} in {status.PeerReads:N0} reads");
        Console.WriteLine($"sent         {Values.Size(status.BytesToPeers)} to peers, {Values.Size(status.BytesToMounts)} to mounts; {status.Leases:N0} block files lent");
        foreach (DatasetMessage dataset in status.Datasets)
            Console.WriteLine($"dataset      {dataset.Name} generation {dataset.Generation}: {(dataset.Snapshot is { } id ? $"snapshot {id[..12]}" : dataset.Failure ?? "being listed")}");
        foreach (PeerMessage peer in status.Peers)
            Console.WriteLine($"peer         {peer.Name}: {(peer.Usable ? "asked" : "left alone for now")}, {peer.Failures:N0} failures{(peer.SmallP95Ms is { } p ? $", 95% of answers within {p:0.0} ms" : "")}");
    }
}
