using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DataLayer.TestKit.Net;

/// <summary>A certificate authority and the workers' certificates it signs, as PEM files in one directory.</summary>
public sealed class WorkerAuthority : IDisposable
{
    readonly string _directory;
    readonly string _name;
    readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    readonly X509Certificate2 _certificate;
    int _serial;

    public WorkerAuthority(string directory, string name = "authority")
    {
        _directory = directory;
        _name = name;
        CertificateRequest request = new($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        File.WriteAllText(CertificateFile, _certificate.ExportCertificatePem());
    }

    public string CertificateFile => Path.Combine(_directory, $"{_name}.pem");

    /// <summary>Writes NAME.pem and NAME.key.</summary>
    public (string Certificate, string Key) Issue(string name, TimeSpan? validUntil = null)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        DateTimeOffset end = DateTimeOffset.UtcNow + (validUntil ?? TimeSpan.FromDays(1));
        using X509Certificate2 certificate = request.Create(_certificate, DateTimeOffset.UtcNow.AddHours(-20), end, [1, .. BitConverter.GetBytes(++_serial)]);
        (string file, string keyFile) = (Path.Combine(_directory, $"{_name}-{name}.pem"), Path.Combine(_directory, $"{_name}-{name}.key"));
        File.WriteAllText(file, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return (file, keyFile);
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }
}
