using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DataLayer.CacheWorker.Security;

/// <summary>This worker's certificate and key, and the authority that signs all workers' certificates.</summary>
sealed record TlsFiles(X509Certificate2Collection Authority, X509Certificate2 Own)
{
    /// <exception cref="UserException">A file that is missing or not what it should be; never its content.</exception>
    public static TlsFiles Load(string authority, string certificate, string key)
    {
        try
        {
            X509Certificate2Collection trusted = [];
            trusted.ImportFromPemFile(authority);
            if (trusted.Count == 0) throw new UserException($"--tls-ca {authority}: holds no certificate in PEM form.");
            X509Certificate2 own = X509Certificate2.CreateFromPemFile(certificate, key);
            if (own.GetECDsaPrivateKey() == null) throw new UserException($"--tls-cert {certificate}: its key must be an elliptic curve one (P-256), because it also signs mounts' tokens.");
            if (!DataLayer.Cache.WorkerCertificates.IsSignedBy(own, trusted)) throw new UserException($"--tls-cert {certificate} is not valid now, or not signed by --tls-ca {authority}.");
            return new TlsFiles(trusted, own);
        }
        catch (CryptographicException fault)
        {
            throw new UserException($"--tls-ca {authority}, --tls-cert {certificate}, --tls-key {key}: {fault.Message}", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"TLS files: {fault.Message}", fault);
        }
    }
}
