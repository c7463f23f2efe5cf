using System.Diagnostics;
using System.Text;
using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;
using Xunit.Abstractions;

namespace DataLayer.Sources.Tests;

public sealed class SwiftFixture : IAsyncLifetime
{
    public SwiftServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await SwiftServer.StartAsync();

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

public sealed class RealS3ServerTests(SwiftFixture swift, ITestOutputHelper output) : IClassFixture<SwiftFixture>
{
    [Fact]
    public async Task Swift_smoke()
    {
        using S3TestClient client = swift.Server.CreateClient();
        await client.CreateBucketAsync("smoke");
        byte[] body = TestSources.Bytes(new Random(1), 100_000);
        await client.PutAsync("smoke", "a/ü b+c", body);
        await using S3Source source = S3Source.Open(SourceUri.Parse("s3://smoke/"), new SourceOptions { Endpoint = swift.Server.Endpoint },
            TestSources.Variables(("AWS_ACCESS_KEY_ID", swift.Server.AccessKey), ("AWS_SECRET_ACCESS_KEY", swift.Server.SecretKey)));
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(body, await TestSources.ReadAsync(source, entries[TestSources.Text("a/ü b+c")]));
        output.WriteLine(Encoding.ASCII.GetString(entries.Values.First().VersionTag));
    }

    [Fact]
    public async Task S3rver_smoke()
    {
        Stopwatch watch = Stopwatch.StartNew();
        await using S3RverServer server = await S3RverServer.StartAsync();
        output.WriteLine($"{watch.Elapsed}");
        using S3TestClient client = server.CreateClient();
        await client.CreateBucketAsync("smoke");
        byte[] body = TestSources.Bytes(new Random(1), 100_000);
        await client.PutAsync("smoke", "a/ü b+c", body);
        await using S3Source source = S3Source.Open(SourceUri.Parse("s3://smoke/"), new SourceOptions { Endpoint = server.Endpoint },
            TestSources.Variables(("AWS_ACCESS_KEY_ID", server.AccessKey), ("AWS_SECRET_ACCESS_KEY", server.SecretKey)));
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(body, await TestSources.ReadAsync(source, entries[TestSources.Text("a/ü b+c")]));
    }
}
