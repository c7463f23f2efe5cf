using System.CommandLine;
using System.Net.Http.Json;
using DataLayer.Cache;
using DataLayer.FuseFs.CommandLine;

namespace DataLayer.CacheWorker.CommandLine;

/// <summary>`dl-worker token`.</summary>
static class TokenCommand
{
    public static Command Create()
    {
        Argument<string> dataset = new("DATASET") { Description = "The dataset that the token opens." };
        Option<string> socket = SocketClient.Option();
        Option<string> life = new("--life") { Description = "How long it is good for, at most 24h.", HelpName = "TIME", DefaultValueFactory = _ => "1h" };
        Option<string?> node = new("--node") { Description = "The node whose mount will use it (default: this worker's).", HelpName = "NAME" };
        Command command = new("token", "Print a token with which a mount reads one dataset, and nothing else.") { dataset, socket, life, node };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (!Values.TryParseDuration(parsed.GetValue(life)!, out TimeSpan time)) throw new UserException($"--life '{parsed.GetValue(life)}' is not understood; write it like 1h.");
            string query = $"seconds={(long)time.TotalSeconds}{(parsed.GetValue(node) is { } name ? $"&node={Uri.EscapeDataString(name)}" : "")}";
            using HttpResponseMessage response = await SocketClient.SendAsync(
                parsed.GetValue(socket)!, HttpMethod.Post, $"/v1/datasets/{Uri.EscapeDataString(parsed.GetValue(dataset)!)}/token?{query}", null, cancellation);
            Console.WriteLine((await response.Content.ReadFromJsonAsync(PeerJson.Default.TokenMessage, cancellation))!.Token);
            return 0;
        });
        return command;
    }
}
