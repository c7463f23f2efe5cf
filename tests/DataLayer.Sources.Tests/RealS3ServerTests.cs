using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;

namespace DataLayer.Sources.Tests;

public sealed class SwiftFixture : IAsyncLifetime
{
    public SwiftServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await SwiftServer.StartAsync();

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

public sealed class S3RverFixture : IAsyncLifetime
{
    public S3RverServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await S3RverServer.StartAsync();

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

/// <summary>What holds on every S3 server that no one here wrote.</summary>
public abstract class RealS3ServerTests(IS3Server server)
{
    protected async Task<(S3TestClient Client, string Bucket)> NewBucketAsync()
    {
        S3TestClient client = new(server.Endpoint, server.AccessKey, server.SecretKey);
        string bucket = $"bucket-{Guid.NewGuid():n}";
        await client.CreateBucketAsync(bucket);
        return (client, bucket);
    }

    private protected S3Source Open(string bucket, string prefix = "", string? secret = null) =>
        S3Source.Open(SourceUri.Parse($"s3://{bucket}/{prefix}"), new SourceOptions { Endpoint = server.Endpoint, ReadDeadline = TimeSpan.FromSeconds(20) },
            TestSources.Variables(("AWS_ACCESS_KEY_ID", server.AccessKey), ("AWS_SECRET_ACCESS_KEY", secret ?? server.SecretKey)));

    [Fact]
    public async Task Objects_with_odd_names_are_listed_and_read()
    {
        (S3TestClient client, string bucket) = await NewBucketAsync();
        Random random = new(3);
        Dictionary<string, byte[]> model = [];
        foreach (string key in (string[])["plain", "a b", "a+b", "%41", "ü/é 中😀", "q'\"<>&;=?#", "deep/er/and/deep~er", "dots/..x/.y", "-_.!*()@,:$"])
        {
            model[TestSources.Text(key)] = TestSources.Bytes(random, random.Next(1, 200_000));
            await client.PutAsync(bucket, "in/" + key, model[TestSources.Text(key)]);
        }
        await client.PutAsync(bucket, "in/empty", []);
        model["empty"] = [];
        await client.PutAsync(bucket, "inside", [1]);

        await using S3Source source = Open(bucket, "in");
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(model.Keys.Order(), entries.Keys.Order());
        foreach ((string key, byte[] body) in model)
        {
            Assert.Equal(body, await TestSources.ReadAsync(source, entries[key]));
            for (int i = 0; i < 3 && body.Length > 0; i++)
            {
                int offset = random.Next(body.Length), length = random.Next(1, body.Length - offset + 1);
                byte[] read = await TestSources.ReadAsync(source, entries[key], offset, length);
                Assert.True(body.AsSpan(offset, length).SequenceEqual(read), $"{key} {offset}+{length}");
            }
        }
        client.Dispose();
    }

    [Fact]
    public async Task Many_objects_in_directories_are_listed_once_each()
    {
        (S3TestClient client, string bucket) = await NewBucketAsync();
        string[] keys = [.. Enumerable.Range(0, 300).Select(i => $"dir{i % 7}/{i:d4}")];
        await Parallel.ForEachAsync(keys, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (key, _) => await client.PutAsync(bucket, key, [1, 2, 3]));
        await using S3Source source = Open(bucket);
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(keys.Order(), entries.Keys.Order());
        Assert.All(entries.Values, e => Assert.InRange(e.MtimeNs, (DateTime.UtcNow.AddHours(-1) - DateTime.UnixEpoch).Ticks * 100, (DateTime.UtcNow.AddHours(1) - DateTime.UnixEpoch).Ticks * 100));
        client.Dispose();
    }

    [Fact]
    public async Task An_object_overwritten_or_deleted_since_the_listing_is_changed()
    {
        (S3TestClient client, string bucket) = await NewBucketAsync();
        await client.PutAsync(bucket, "overwritten", [1, 2, 3]);
        await client.PutAsync(bucket, "deleted", [1, 2, 3]);
        await using S3Source source = Open(bucket);
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        await client.PutAsync(bucket, "overwritten", [4, 5, 6]);
        await client.DeleteAsync(bucket, "deleted");
        foreach (SourceEntry entry in entries.Values)
        {
            Assert.Equal(SourceFault.Changed, (await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entry))).Fault);
            Assert.Equal(SourceFault.Changed, (await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entry, 1, 1))).Fault);
        }
        client.Dispose();
    }

    [Fact]
    public async Task A_bucket_that_does_not_exist_is_misconfigured()
    {
        await using S3Source source = Open("there-is-none");
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
        Assert.Contains("there-is-none", e.Message);
    }
}

public sealed class S3RverTests(S3RverFixture fixture) : RealS3ServerTests(fixture.Server), IClassFixture<S3RverFixture>;

public sealed class SwiftTests(SwiftFixture fixture) : RealS3ServerTests(fixture.Server), IClassFixture<SwiftFixture>
{
    [Fact]
    public async Task A_wrong_secret_is_denied()
    {
        (S3TestClient client, string bucket) = await NewBucketAsync();
        client.Dispose();
        await using S3Source source = Open(bucket, secret: "wrong");
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Denied, e.Fault);
        Assert.Contains("SignatureDoesNotMatch", e.Message);
    }

    [Fact]
    public async Task An_object_put_in_parts_is_read_though_its_etag_is_no_md5()
    {
        (S3TestClient client, string bucket) = await NewBucketAsync();
        byte[] body = TestSources.Bytes(new Random(5), (5 << 20) + 1000);
        await client.PutInPartsAsync(bucket, "parts", body[..(5 << 20)], body[(5 << 20)..]);
        await using S3Source source = Open(bucket);
        SourceEntry entry = (await TestSources.ListAsync(source))["parts"];
        Assert.Equal(body, await TestSources.ReadAsync(source, entry));
        Assert.Equal(body[(5 << 20)..], await TestSources.ReadAsync(source, entry, 5 << 20, 1000));
        client.Dispose();
    }

    [Fact]
    public async Task Versions_of_a_versioned_bucket_are_read_after_they_were_overwritten_and_deleted()
    {
        (S3TestClient client, string bucket) = await NewBucketAsync();
        await client.PutAsync(bucket, "before", "old"u8.ToArray());
        await client.EnableVersioningAsync(bucket);
        await client.PutAsync(bucket, "overwritten", "first"u8.ToArray());
        await client.PutAsync(bucket, "deleted", "gone"u8.ToArray());
        await client.PutAsync(bucket, "hidden", "never"u8.ToArray());
        await client.DeleteAsync(bucket, "hidden");

        await using S3Source source = Open(bucket);
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(["before", "deleted", "overwritten"], entries.Keys.Order());
        Assert.All(entries.Values, e => Assert.Contains((byte)0, e.VersionTag));
        await client.PutAsync(bucket, "overwritten", "second version"u8.ToArray());
        await client.DeleteAsync(bucket, "deleted");

        Assert.Equal("old"u8.ToArray(), await TestSources.ReadAsync(source, entries["before"]));
        Assert.Equal("first"u8.ToArray(), await TestSources.ReadAsync(source, entries["overwritten"]));
        Assert.Equal("gone"u8.ToArray(), await TestSources.ReadAsync(source, entries["deleted"]));
        client.Dispose();
    }
}
