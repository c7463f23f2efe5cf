using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Cache;

namespace DataLayer.CacheWorker.Security;

/// <summary>What a token allows: reading one dataset, as a mount of one node, until then.</summary>
/// <param name="Expires">Seconds since the Unix epoch.</param>
sealed record TokenClaims(
    [property: JsonPropertyName("dataset")] string Dataset,
    [property: JsonPropertyName("node")] string Node,
    [property: JsonPropertyName("expires")] long Expires);

[JsonSerializable(typeof(TokenClaims))]
sealed partial class TokenJson : JsonSerializerContext;

/// <summary>
/// Mints and checks the bearer tokens of mounts: <c>dl1.CLAIMS.CERTIFICATE.SIGNATURE</c>, each part base64url. Signed with
/// a worker's key (ECDSA, SHA-256) and carrying that worker's certificate, so that every worker can check it with what it
/// has for TLS anyway: no further secret is spread over the nodes. Safe for concurrent use.
/// </summary>
sealed class MountTokens(TlsFiles tls, TimeProvider? clock = null)
{
    readonly TimeProvider _clock = clock ?? TimeProvider.System;

    const string Prefix = "dl1";
    const int MaxLength = 8 << 10;

    /// <summary>Clocks of nodes differ: by more than this they are broken.</summary>
    static readonly TimeSpan Skew = TimeSpan.FromSeconds(60);

    /// <summary>Longest life of a token.</summary>
    public static readonly TimeSpan MaxLife = TimeSpan.FromHours(24);

    // A chain and a signature cost 0.3 ms, which a read must not pay: what was right stays right until it expires.
    const int MaxKnown = 4096;
    readonly ConcurrentDictionary<string, TokenClaims> _known = new();

    public string Mint(string dataset, string node, TimeSpan life)
    {
        if (life <= TimeSpan.Zero || life > MaxLife) throw new UserException($"a token lives at most {MaxLife.TotalHours:0} hours.");
        TokenClaims claims = new(dataset, node, _clock.GetUtcNow().Add(life).ToUnixTimeSeconds());
        string body = $"{Prefix}.{Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(claims, TokenJson.Default.TokenClaims))}.{Base64Url.EncodeToString(tls.Own.RawData)}";
        using ECDsa key = tls.Own.GetECDsaPrivateKey()!;
        return $"{body}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(body), HashAlgorithmName.SHA256))}";
    }

    /// <param name="why">For the one who asks; holds nothing of the token.</param>
    public bool TryCheck(string token, [NotNullWhen(true)] out TokenClaims? claims, out string why)
    {
        why = "the token is not one of this cluster's";
        if (!_known.TryGetValue(token, out claims))
        {
            claims = Verify(token);
            if (claims == null) return false;
            if (_known.Count >= MaxKnown) _known.Clear();
            _known[token] = claims;
        }
        if (_clock.GetUtcNow() < DateTimeOffset.FromUnixTimeSeconds(claims.Expires) + Skew) return true;
        why = "the token has expired; 'dl-worker token' mints another";
        _known.TryRemove(token, out _);
        return false;
    }

    TokenClaims? Verify(string token)
    {
        string[] parts = token.Length > MaxLength ? [] : token.Split('.');
        if (parts.Length != 4 || parts[0] != Prefix) return null;
        try
        {
            using X509Certificate2 signer = X509CertificateLoader.LoadCertificate(Base64Url.DecodeFromChars(parts[2]));
            using ECDsa? key = signer.GetECDsaPublicKey();
            if (key == null || !WorkerCertificates.IsSignedBy(signer, tls.Authority)) return null;
            byte[] signed = Encoding.ASCII.GetBytes(string.Join('.', parts[..3]));
            if (!key.VerifyData(signed, Base64Url.DecodeFromChars(parts[3]), HashAlgorithmName.SHA256)) return null;
            return JsonSerializer.Deserialize(Base64Url.DecodeFromChars(parts[1]), TokenJson.Default.TokenClaims) is { Dataset: not null, Node: not null } claims ? claims : null;
        }
        catch (Exception e) when (e is CryptographicException or FormatException or JsonException)
        {
            return null; // What strangers send.
        }
    }
}
