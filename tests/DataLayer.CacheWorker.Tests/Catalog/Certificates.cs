using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DataLayer.TestKit;

namespace DataLayer.CacheWorker.Tests.Catalog;

internal static class Certificates
{
    /// <summary>An authority NAME.ca, and NAME.crt and NAME.key for 127.0.0.1 signed by it.</summary>
    public static void Write(ScratchDirectory files, string name)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using ECDsa authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256), key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest authority = new($"CN={name} authority", authorityKey, HashAlgorithmName.SHA256);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 signer = authority.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
        CertificateRequest request = new("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.Create(signer, now.AddDays(-1), now.AddDays(1), [1, 2, 3, 4]);
        File.WriteAllText(files.File($"{name}.ca"), signer.ExportCertificatePem());
        File.WriteAllText(files.File($"{name}.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(files.File($"{name}.key"), key.ExportPkcs8PrivateKeyPem());
    }
}
