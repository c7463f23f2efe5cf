using System.Net;
using DataLayer.Cache;

namespace DataLayer.CacheWorker;

/// <summary>Everything `dl-worker serve` is started with. <see cref="Validate"/> is called once, before anything is opened.</summary>
sealed record WorkerOptions
{
    public required string Node { get; init; }
    public string Zone { get; init; } = "";
    public required string CacheDirectory { get; init; }
    public long CacheSize { get; init; } = 100L << 30;

    /// <summary>The registration file.</summary>
    public required string Datasets { get; init; }

    /// <summary>Null: no peers and no remote mounts, the unix socket only.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>https://host:port as the others reach it.</summary>
    public string? Advertise { get; init; }

    /// <summary>Unix socket for the mounts of this node; null for none.</summary>
    public string? Socket { get; init; }

    /// <summary>Beside the own one and root: who may connect to the socket, with a token.</summary>
    public IReadOnlyList<uint> AllowedUsers { get; init; } = [];

    /// <summary>The file that names all workers; null for a worker alone.</summary>
    public string? PeersFile { get; init; }

    public string? TlsAuthority { get; init; }
    public string? TlsCertificate { get; init; }
    public string? TlsKey { get; init; }

    /// <summary>Homes per block.</summary>
    public int Copies { get; init; } = 1;
    public CopyPolicy LocalCopy { get; init; } = CopyPolicy.SecondRead;

    // What is needed beside the store: its folders (FolderSpace).
    const long SmallestCache = 64 << 20;

    /// <exception cref="UserException">Names the option and what it takes.</exception>
    public void Validate()
    {
        Require(Node.Length is > 0 and <= 253 && Node.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_'), $"--node '{Node}': letters, digits, '-', '.' and '_'.");
        Require(CacheSize >= SmallestCache, "--cache-size: at least 64MiB.");
        Require(Copies is >= 1 and <= 8, "--copies: 1 to 8.");
        Require(Listen != null || Socket != null, "give --listen (with --tls-ca, --tls-cert and --tls-key), --socket, or both: nobody could reach this worker.");
        bool tls = TlsAuthority != null && TlsCertificate != null && TlsKey != null;
        Require(Listen == null || tls, "--listen needs --tls-ca, --tls-cert and --tls-key: nothing is served over the network without authentication.");
        Require(Listen == null || Advertise != null, "--listen needs --advertise https://HOST:PORT, the address that the other workers reach this one at.");
        Require(Advertise == null || (Uri.TryCreate(Advertise, UriKind.Absolute, out Uri? uri) && uri.Scheme == "https" && uri.AbsolutePath == "/"), $"--advertise {Advertise}: write it like https://10.0.0.1:7400.");
        Require(PeersFile == null || Listen != null, "--peers needs --listen: peers that cannot reach this worker would wait for it.");
        Require(Socket == null || System.Text.Encoding.UTF8.GetByteCount(Socket) <= 90, "--socket: a path of at most 90 bytes.");
    }

    static void Require(bool holds, string otherwise)
    {
        if (!holds) throw new UserException(otherwise);
    }
}
