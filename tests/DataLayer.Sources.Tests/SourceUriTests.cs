using DataLayer.Formats;
using DataLayer.Sources.S3;

namespace DataLayer.Sources.Tests;

public sealed class SourceUriTests
{
    [Theory]
    [InlineData("s3://bucket", "bucket", "")]
    [InlineData("s3://bucket/", "bucket", "")]
    [InlineData("S3://bucket/a", "bucket", "a/")]
    [InlineData("s3://bucket/a/", "bucket", "a/")]
    [InlineData("s3://bucket/a//", "bucket", "a//")]
    [InlineData("s3://bucket//a", "bucket", "/a/")]
    [InlineData("s3://bucket/a b/%41/ü?x#y", "bucket", "a b/%41/ü?x#y/")]
    public void An_object_store_prefix_is_taken_literally_and_ends_in_a_slash(string text, string bucket, string prefix)
    {
        SourceUri uri = SourceUri.Parse(text);
        Assert.Equal((SourceKind.S3, bucket, prefix), (uri.Kind, uri.Bucket, uri.Prefix));
    }

    [Theory]
    [InlineData("/data/set")]
    [InlineData("/data/set/")]
    [InlineData("//data///set//")]
    [InlineData("/data/x/../set/.")]
    [InlineData("file:///data/set")]
    [InlineData("file://localhost/data/set/")]
    [InlineData("FILE:///data/se%74")]
    public void Spellings_of_one_directory_have_one_identity(string text) =>
        Assert.Equal("file:///data/set", SourceFactory.Open(text, new SourceOptions()).Identity);

    [Fact]
    public void A_directory_identity_can_be_given_as_a_source_again()
    {
        string identity = SourceFactory.Open("/odd %41 dir/ü#?", new SourceOptions()).Identity;
        Assert.Equal(identity, SourceFactory.Open(identity, new SourceOptions()).Identity);
        Assert.Equal("/odd %41 dir/ü#?", SourceUri.Parse(identity).Path);
    }

    [Fact]
    public void A_relative_path_is_made_absolute() =>
        Assert.Equal(Path.Combine(Environment.CurrentDirectory, "data"), SourceUri.Parse("data").Path);

    [Fact]
    public void The_root_directory_can_be_a_source() => Assert.Equal("/", SourceUri.Parse("/").Path);

    [Theory]
    [InlineData("")]
    [InlineData("ftp://host/path")]
    [InlineData("s3://")]
    [InlineData("s3:///key")]
    [InlineData("s3://buc ket/x")]
    [InlineData("s3://buck\u0000et")]
    [InlineData("file://otherhost/path")]
    [InlineData("/a\nb")]
    public void What_is_not_a_source_is_refused_in_one_line(string text)
    {
        SourceException e = Assert.Throws<SourceException>(() => SourceUri.Parse(text));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("s3://AKIAEXAMPLE:topsecret@bucket/x", null)]
    [InlineData("file://me:topsecret@host/x", null)]
    [InlineData("s3://bucket/x", "https://me:topsecret@host:9000")]
    public void A_secret_in_a_name_is_refused_and_not_repeated(string text, string? endpoint)
    {
        SourceException e = Assert.Throws<SourceException>(() => SourceFactory.Open(text, new SourceOptions { Endpoint = endpoint, Anonymous = true }));
        Assert.DoesNotContain("topsecret", e.Message);
    }

    static S3Location Resolve(string uri, SourceOptions options, params (string, string?)[] variables) =>
        S3Location.Resolve(SourceUri.Parse(uri), options, TestSources.Variables(variables), null);

    [Theory]
    [InlineData("s3://bucket/p", null, null, null, "https", "bucket.s3.us-east-1.amazonaws.com", "/", "us-east-1")]
    [InlineData("s3://bucket/p", null, "eu-west-3", null, "https", "bucket.s3.eu-west-3.amazonaws.com", "/", "eu-west-3")]
    [InlineData("s3://bucket/p", null, "cn-north-1", null, "https", "bucket.s3.cn-north-1.amazonaws.com.cn", "/", "cn-north-1")]
    [InlineData("s3://my.bucket/p", null, null, null, "https", "s3.us-east-1.amazonaws.com", "/my.bucket/", "us-east-1")]
    [InlineData("s3://bucket/p", "https://s3.eu-central-1.amazonaws.com", null, null, "https", "bucket.s3.eu-central-1.amazonaws.com", "/", "eu-central-1")]
    [InlineData("s3://bucket/p", "http://127.0.0.1:9000", null, null, "http", "127.0.0.1:9000", "/bucket/", "us-east-1")]
    [InlineData("s3://bucket/p", "http://[::1]:9000", null, null, "http", "[::1]:9000", "/bucket/", "us-east-1")]
    [InlineData("s3://bucket/p", "http://LOCALHOST:80", null, null, "http", "localhost", "/bucket/", "us-east-1")]
    [InlineData("s3://bucket/p", "minio:9000", null, null, "https", "minio:9000", "/bucket/", "us-east-1")]
    [InlineData("s3://bucket/p", "https://s3.example.com", null, null, "https", "bucket.s3.example.com", "/", "us-east-1")]
    [InlineData("s3://bucket/p", "https://s3.example.com", null, true, "https", "s3.example.com", "/bucket/", "us-east-1")]
    [InlineData("oss://bucket/p", "https://oss-cn-hangzhou.aliyuncs.com", null, null, "https", "bucket.s3.oss-cn-hangzhou.aliyuncs.com", "/", "cn-hangzhou")]
    [InlineData("oss://bucket/p", "oss-cn-hangzhou-internal.aliyuncs.com", null, null, "https", "bucket.s3.oss-cn-hangzhou-internal.aliyuncs.com", "/", "cn-hangzhou")]
    [InlineData("oss://bucket/p", null, "oss-cn-beijing", null, "https", "bucket.s3.oss-cn-beijing.aliyuncs.com", "/", "cn-beijing")]
    public void Addresses_are_those_the_provider_documents(string uri, string? endpoint, string? region, bool? pathStyle, string scheme, string host, string pathBase, string signed)
    {
        S3Location location = Resolve(uri, new SourceOptions { Endpoint = endpoint, Region = region, PathStyle = pathStyle });
        Assert.Equal((scheme, host, pathBase, signed), (location.Scheme, location.Host, location.PathBase, location.Region));
    }

    [Fact]
    public void Every_name_of_one_bucket_has_one_identity()
    {
        Assert.Equal("s3://s3.amazonaws.com/bucket/p", Resolve("s3://bucket/p", new()).Identity);
        Assert.Equal("s3://s3.amazonaws.com/bucket/p", Resolve("s3://bucket/p/", new() { Region = "eu-west-1" }).Identity);
        Assert.Equal("s3://s3.amazonaws.com/bucket/p", Resolve("s3://bucket/p/", new() { Endpoint = "https://s3.dualstack.eu-west-1.amazonaws.com", PathStyle = true }).Identity);
        Assert.Equal("s3://oss-cn-hangzhou.aliyuncs.com/bucket", Resolve("oss://bucket", new() { Region = "cn-hangzhou" }).Identity);
        Assert.Equal("s3://oss-cn-hangzhou.aliyuncs.com/bucket", Resolve("oss://bucket/", new() { Endpoint = "https://oss-cn-hangzhou-internal.aliyuncs.com" }).Identity);
        Assert.Equal("s3://oss-cn-hangzhou.aliyuncs.com/bucket", Resolve("s3://bucket/", new() { Endpoint = "https://s3.oss-cn-hangzhou.aliyuncs.com" }).Identity);
        Assert.Equal("s3://host:9000/bucket/p", Resolve("s3://bucket/p", new() { Endpoint = "http://HOST:9000" }).Identity);
        Assert.Equal("s3://host/bucket/p", Resolve("s3://bucket/p", new() { Endpoint = "https://host:443" }).Identity);
    }

    [Fact]
    public void Region_and_endpoint_come_from_the_environment_unless_given()
    {
        Assert.Equal("eu-west-2", Resolve("s3://bucket", new(), ("AWS_REGION", "eu-west-2"), ("AWS_DEFAULT_REGION", "x")).Region);
        Assert.Equal("eu-west-1", Resolve("s3://bucket", new() { Region = "eu-west-1" }, ("AWS_REGION", "eu-west-2")).Region);
        Assert.Equal("bucket.store.example.com", Resolve("s3://bucket", new(), ("AWS_ENDPOINT_URL", "https://store.example.com")).Host);
        Assert.Equal("bucket.other.example.com", Resolve("s3://bucket", new(), ("AWS_ENDPOINT_URL", "https://store.example.com"), ("AWS_ENDPOINT_URL_S3", "https://other.example.com")).Host);
    }

    [Theory]
    [InlineData("oss://bucket", null, null)]
    [InlineData("s3://bucket", "ftp://host", null)]
    [InlineData("s3://bucket", "https://host/bucket", null)]
    [InlineData("s3://bucket", "https://host?x", null)]
    [InlineData("s3://bucket", "https://", null)]
    [InlineData("s3://bucket", null, "us east")]
    public void A_bad_endpoint_or_region_is_refused(string uri, string? endpoint, string? region)
    {
        SourceException e = Assert.Throws<SourceException>(() => SourceFactory.Open(uri, new SourceOptions { Endpoint = endpoint, Region = region, Anonymous = true }));
        Assert.Equal(SourceFault.Misconfigured, e.Fault);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        foreach (SourceOptions bad in (SourceOptions[])[
            new() { RequestTimeout = TimeSpan.Zero }, new() { ReadDeadline = TimeSpan.FromDays(2) }, new() { MaxConnections = 0 },
            new() { MaxListRequests = 0 }, new() { MaxThreads = 0 }, new() { Region = "" }])
            Assert.Equal(SourceFault.Misconfigured, Assert.Throws<SourceException>(bad.Validate).Fault);
    }
}
