using System.Buffers.Binary;
using System.Net.Sockets;
using DataLayer.Cache;
using DataLayer.CacheWorker.Security;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace DataLayer.CacheWorker.Serving;

enum CallerKind
{
    /// <summary>Another worker, by its certificate; also operators' tools with one.</summary>
    Worker,

    /// <summary>A process of this node that runs as the worker's own user or root, on the unix socket.</summary>
    Local,

    /// <summary>Whoever shows a token of a mount.</summary>
    Mount,
}

/// <summary>Who asks, once that is known.</summary>
/// <param name="Dataset">The only one it may read; null for any.</param>
/// <param name="Name">The node it says it is.</param>
sealed record Caller(CallerKind Kind, string? Dataset, string? Name)
{
    public bool MayRead(string dataset) => Dataset == null || Dataset == dataset;
    public bool IsOperator => Kind != CallerKind.Mount;
}

/// <summary>Finds out who asks.</summary>
sealed class Authentication(WorkerOptions options, MountTokens? tokens)
{
    /// <summary>The user at the other end of a connection to the unix socket; null on other connections.</summary>
    public static uint? UserOf(HttpContext context) => context.Features.Get<IConnectionSocketFeature>()?.Socket is { AddressFamily: AddressFamily.Unix } socket ? UserOf(socket) : null;

    public static uint? UserOf(Socket socket)
    {
        // SOL_SOCKET, SO_PEERCRED of the Linux socket ABI: struct ucred { pid, uid, gid }, 32 bits each.
        Span<byte> credentials = stackalloc byte[12];
        return socket.GetRawSocketOption(1, 17, credentials) == 12 ? BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]) : null;
    }

    public static bool IsOwn(uint user) => user == 0 || user == Libc.GetEUid();

    public bool MayConnect(uint user) => IsOwn(user) || options.AllowedUsers.Contains(user);

    /// <summary>Who connects to the unix socket with this token (empty for none); null refuses.</summary>
    public Caller? Identify(uint user, string token)
    {
        if (!MayConnect(user)) return null;
        if (token.Length == 0) return IsOwn(user) ? new Caller(CallerKind.Local, null, null) : null;
        return tokens != null && tokens.TryCheck(token, out TokenClaims? claims, out _) && claims.Node == options.Node ? new Caller(CallerKind.Mount, claims.Dataset, claims.Node) : null;
    }

    /// <summary>Null when it cannot be told; <paramref name="why"/> is what the asker is told.</summary>
    public Caller? Identify(HttpContext context, out string why)
    {
        why = "no token and no worker's certificate";
        string? name = context.Request.Headers[PeerProtocol.WorkerHeader];
        uint? user = UserOf(context);
        if (user is { } connected && !MayConnect(connected))
        {
            why = $"user {connected} may not use this socket";
            return null;
        }
        if (context.Request.Headers.Authorization.ToString() is { Length: > 0 } header)
        {
            if (tokens == null || !header.StartsWith("Bearer ", StringComparison.Ordinal) || !tokens.TryCheck(header["Bearer ".Length..], out TokenClaims? claims, out why)) return null;
            if (user == null || claims.Node == options.Node) return new Caller(CallerKind.Mount, claims.Dataset, claims.Node);
            why = "the token is for a mount of another node";
            return null;
        }
        if (user is { } own && IsOwn(own)) return new Caller(CallerKind.Local, null, name);
        // The handshake has checked that the authority signed it.
        return context.Connection.ClientCertificate != null ? new Caller(CallerKind.Worker, null, name) : null;
    }
}
