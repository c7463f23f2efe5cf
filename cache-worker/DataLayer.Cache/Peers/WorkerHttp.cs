using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace DataLayer.Cache;

/// <summary>Connections to one worker: how it is reached, whom to believe to be one, and what every request says.</summary>
internal sealed class WorkerHttp : IDisposable
{
    // A source's window of 128 reads may all go to one home; more only wait at the other end.
    const int MaxConnections = 128;

    readonly string? _asker;

    WorkerHttp(Uri address, SocketsHttpHandler handler, string? asker)
    {
        handler.MaxConnectionsPerServer = MaxConnections;
        handler.PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1);
        handler.UseCookies = false;
        handler.UseProxy = false;
        handler.AllowAutoRedirect = false;
        handler.AutomaticDecompression = System.Net.DecompressionMethods.None;
        _asker = asker;
        Client = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
    }

    public HttpClient Client { get; }

    /// <param name="asker">The name of the node that asks.</param>
    public static WorkerHttp OverSocket(string path, PeerTiming timing, string? asker) => new(new Uri("http://worker"), new SocketsHttpHandler
    {
        ConnectTimeout = timing.Connect,
        ConnectCallback = async (_, cancellation) =>
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    }, asker);

    /// <param name="address">https://host:port, or host:port.</param>
    /// <param name="authority">Who signs workers' certificates.</param>
    /// <param name="own">This worker's certificate; null in a mount.</param>
    public static WorkerHttp OverTls(string address, X509Certificate2Collection authority, X509Certificate2? own, PeerTiming timing, string? asker) => new(new Uri(address.Contains("://", StringComparison.Ordinal) ? address : "https://" + address), new SocketsHttpHandler
    {
        ConnectTimeout = timing.Connect,
        SslOptions = new SslClientAuthenticationOptions
        {
            // Any certificate of the authority is a worker's: nodes come and go, and their names and addresses with them.
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is X509Certificate2 found && WorkerCertificates.IsSignedBy(found, authority),
            ClientCertificateContext = own == null ? null : SslStreamCertificateContext.Create(own, authority, offline: true),
        },
    }, asker);

    public HttpRequestMessage Request(HttpMethod method, string path)
    {
        HttpRequestMessage request = new(method, path);
        request.Headers.Add(PeerProtocol.VersionHeader, PeerProtocol.Version.ToString(CultureInfo.InvariantCulture));
        if (_asker != null) request.Headers.Add(PeerProtocol.WorkerHeader, _asker);
        return request;
    }

    /// <summary>What an answer that is not a success says.</summary>
    public static async Task<string> ReadErrorAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.Content.Headers.ContentLength is null or > 4096) return response.ReasonPhrase ?? "";
        string text = await response.Content.ReadAsStringAsync(cancellation);
        try
        {
            return JsonSerializer.Deserialize(text, PeerJson.Default.ErrorMessage)?.Error ?? "";
        }
        catch (JsonException)
        {
            return text.Split('\n')[0].Trim();
        }
    }

    public void Dispose() => Client.Dispose();
}

/// <summary>Who may be a worker.</summary>
internal static class WorkerCertificates
{
    /// <summary>Valid now and signed by one of these, whatever its name.</summary>
    public static bool IsSignedBy(X509Certificate2 certificate, X509Certificate2Collection authority)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        // The network is never asked for missing certificates.
        chain.ChainPolicy.DisableCertificateDownloads = true;
        return chain.Build(certificate);
    }
}
