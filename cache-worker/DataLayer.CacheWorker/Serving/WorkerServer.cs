using System.Net.Sockets;
using System.Security.Authentication;
using DataLayer.Cache;
using DataLayer.CacheWorker.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace DataLayer.CacheWorker.Serving;

/// <summary>The listeners: TLS for peers and remote mounts, a unix socket for the mounts of this node.</summary>
sealed class WorkerServer : IAsyncDisposable
{
    // A request is a line and a few headers; a warm-up names paths.
    const long MaxRequestBody = 1 << 20;

    // What Kestrel holds for one connection before it waits for the receiver: two units, so that one is on its way while
    // the next is read.
    const long MaxUnsent = 2 << 20;

    // 128 from each of a hundred peers would be too many; peers beyond wait for a connection.
    const long MaxConnections = 8192;

    readonly WebApplication _application;
    readonly string? _socket;

    WorkerServer(WebApplication application, string? socket)
    {
        _application = application;
        _socket = socket;
    }

    public static async Task<WorkerServer> StartAsync(WorkerOptions options, TlsFiles? tls, Authentication authentication, RequestDelegate handle, CancellationToken cancellation)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(20));
        builder.WebHost.UseKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxRequestBody;
            kestrel.Limits.MaxResponseBufferSize = MaxUnsent;
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            if (options.Listen is { } address && tls != null) kestrel.Listen(address, listen => UseTls(listen, tls));
            if (options.Socket is { } path)
            {
                kestrel.ListenUnixSocket(path, listen =>
                {
                    listen.Protocols = HttpProtocols.Http1;
                    listen.Use(next => connection =>
                    {
                        // A user who is not let in learns nothing, not even that this is a worker.
                        Socket? socket = connection.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionSocketFeature>()?.Socket;
                        if (socket != null && Authentication.UserOf(socket) is { } user && authentication.MayConnect(user)) return next(connection);
                        connection.Abort();
                        return Task.CompletedTask;
                    });
                });
            }
        });
        WebApplication application = builder.Build();
        application.Run(handle);
        if (options.Socket is { } stale) File.Delete(stale); // Its owner died: the cache directory's lock is held by now.
        try
        {
            await application.StartAsync(cancellation);
        }
        catch (Exception fault) when (fault is IOException or SocketException)
        {
            await application.DisposeAsync();
            throw new UserException($"cannot listen at {options.Listen} {options.Socket}: {fault.Message}", fault);
        }
        if (options.Socket is { } made) File.SetUnixFileMode(made, SocketMode(options));
        return new WorkerServer(application, options.Socket);
    }

    /// <summary>Where others may connect, the kernel says who they are.</summary>
    public static UnixFileMode SocketMode(WorkerOptions options) => (UnixFileMode)(options.AllowedUsers.Count > 0 ? 0b110_110_110 : 0b110_000_000);

    static void UseTls(ListenOptions listen, TlsFiles tls)
    {
        listen.Protocols = HttpProtocols.Http1;
        listen.UseHttps(new HttpsConnectionAdapterOptions
        {
            ServerCertificate = tls.Own,
            ServerCertificateChain = tls.Authority,
            // Mounts have none; what a connection without one may do is decided for each request.
            ClientCertificateMode = ClientCertificateMode.AllowCertificate,
            ClientCertificateValidation = (certificate, _, _) => WorkerCertificates.IsSignedBy(certificate, tls.Authority),
            SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            HandshakeTimeout = TimeSpan.FromSeconds(5),
        });
    }

    /// <summary>Takes no new connection; finishes what is under way, at most 20 s.</summary>
    public async Task StopAsync()
    {
        await _application.StopAsync();
        if (_socket != null) File.Delete(_socket);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _application.DisposeAsync();
    }
}
