using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;

namespace DataLayer.Sources.Tests;

/// <summary>How a server is reached: TLS and its trust, and the bucket's place in host or path.</summary>
public sealed class S3AddressTests : IDisposable
{
    readonly string _bundle = Path.GetTempFileName();

    public void Dispose() => File.Delete(_bundle);

    static X509Certificate2 SelfSigned()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=test", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    static S3Source Open(FaultyS3Server server, string? caBundle) =>
        S3Source.Open(SourceUri.Parse($"s3://{server.Bucket}"), new SourceOptions { Endpoint = server.Endpoint, ReadDeadline = TimeSpan.FromSeconds(10) },
            TestSources.Variables(("AWS_ACCESS_KEY_ID", server.AccessKey), ("AWS_SECRET_ACCESS_KEY", server.SecretKey), ("AWS_CA_BUNDLE", caBundle)));

    [Fact]
    public async Task A_certificate_of_the_given_bundle_is_trusted()
    {
        using X509Certificate2 certificate = SelfSigned();
        await File.WriteAllTextAsync(_bundle, certificate.ExportCertificatePem());
        await using FaultyS3Server server = new() { Certificate = certificate };
        byte[] body = TestSources.Bytes(new Random(1), 500_000);
        server.Put("object", body);
        server.OnCall = call => call.Kind == S3CallKind.Get && call.NumberOfKind == 1 ? new S3Fault { CloseAfter = 100_000 } : null;
        await using S3Source source = Open(server, _bundle);
        Assert.Equal(body, await TestSources.ReadAsync(source, (await TestSources.ListAsync(source))["object"]));
    }

    [Fact]
    public async Task A_certificate_that_nobody_vouches_for_is_refused_at_once()
    {
        using X509Certificate2 certificate = SelfSigned();
        await using FaultyS3Server server = new() { Certificate = certificate };
        await using S3Source source = Open(server, caBundle: null);
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
        Assert.Contains("AWS_CA_BUNDLE", e.Message);
        Assert.Empty(server.Calls);
    }

    [Fact]
    public void A_bundle_that_cannot_be_read_is_named()
    {
        SourceException e = Assert.Throws<SourceException>(() => S3Source.Open(SourceUri.Parse("s3://bucket"), new SourceOptions(), TestSources.Variables(("AWS_CA_BUNDLE", "/no/such/file"))));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
        Assert.Contains("/no/such/file", e.Message);
    }

    [Fact]
    public async Task Virtual_hosted_requests_name_the_bucket_in_the_host_and_are_signed_so()
    {
        await using FaultyS3Server server = new();
        server.Put("some/object", [1, 2, 3]);
        await using S3Source source = S3Source.Open(SourceUri.Parse($"s3://{server.Bucket}/some"),
            new SourceOptions { Endpoint = "http://s3.example.com", ConnectTo = new IPEndPoint(IPAddress.Loopback, server.Port) },
            TestSources.Variables(("AWS_ACCESS_KEY_ID", server.AccessKey), ("AWS_SECRET_ACCESS_KEY", server.SecretKey)));
        Assert.Equal([1, 2, 3], await TestSources.ReadAsync(source, (await TestSources.ListAsync(source))["object"]));
        Assert.All(server.Calls, call => Assert.Equal($"{server.Bucket}.s3.example.com", call.Headers["host"]));
        Assert.Equal("/some/object", server.Calls.Last().Target);
        Assert.Equal(0, server.Counts.Refused);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_said_soon()
    {
        await using S3Source source = S3Source.Open(SourceUri.Parse("s3://bucket"), new SourceOptions { Endpoint = "http://no-such-host.invalid", Anonymous = true }, TestSources.Variables());
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Unavailable, e.Fault);
        Assert.Contains("does not resolve", e.Message);
    }
}
