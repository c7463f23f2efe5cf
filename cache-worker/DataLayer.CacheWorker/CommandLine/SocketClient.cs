using System.CommandLine;
using DataLayer.Cache;

namespace DataLayer.CacheWorker.CommandLine;

/// <summary>The command line's end of a worker's unix socket.</summary>
static class SocketClient
{
    public static Option<string> Option() => new("--socket") { Description = "The worker's unix socket.", HelpName = "PATH", Required = true };

    public static Option<bool> Json() => new("--json") { Description = "Print JSON for programs." };

    /// <exception cref="UserException">No worker there, or it says no.</exception>
    public static async Task<HttpResponseMessage> SendAsync(string socket, HttpMethod method, string path, HttpContent? content, CancellationToken cancellation)
    {
        WorkerHttp http = WorkerHttp.OverSocket(Path.GetFullPath(socket), new PeerTiming(), asker: null);
        using HttpRequestMessage request = http.Request(method, path);
        request.Content = content;
        try
        {
            HttpResponseMessage response = await http.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).WaitAsync(TimeSpan.FromSeconds(30), cancellation);
            if (response.IsSuccessStatusCode) return response;
            using (response) throw new UserException(await WorkerHttp.ReadErrorAsync(response, cancellation));
        }
        catch (HttpRequestException fault)
        {
            throw new UserException($"--socket {socket}: no worker answers ({fault.InnerException?.Message ?? fault.Message}).", fault);
        }
        catch (TimeoutException fault)
        {
            throw new UserException($"--socket {socket}: the worker does not answer; it may be stopped.", fault);
        }
    }
}
