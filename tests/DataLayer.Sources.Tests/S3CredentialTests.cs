using System.Globalization;
using System.Text;
using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;

namespace DataLayer.Sources.Tests;

/// <summary>
/// Where credentials come from and how they are renewed. The AWS SDK reads the variables of the process, so these tests
/// set them; every other test passes its own, and tests of one class do not run at once.
/// </summary>
public sealed class S3CredentialTests : IAsyncLifetime
{
    static readonly string[] Names =
    [
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_REGION",
        "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_EC2_METADATA_DISABLED", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET",
    ];

    readonly Dictionary<string, string?> _before = Names.ToDictionary(n => n, Environment.GetEnvironmentVariable);

    /// <summary>One for the process: the SDK reads the variables that name its files once, and only if they exist then.</summary>
    static readonly string Files = Path.Combine(Path.GetTempPath(), $"datalayer-credentials-{Environment.ProcessId}");

    readonly FaultyS3Server _server = new();

    public Task InitializeAsync()
    {
        Directory.CreateDirectory(Files);
        foreach (string name in Names) Environment.SetEnvironmentVariable(name, null);
        File.WriteAllText(Files + "/credentials", "");
        File.WriteAllText(Files + "/config", "");
        Environment.SetEnvironmentVariable("AWS_SHARED_CREDENTIALS_FILE", Files + "/credentials");
        Environment.SetEnvironmentVariable("AWS_CONFIG_FILE", Files + "/config");
        Environment.SetEnvironmentVariable("AWS_EC2_METADATA_DISABLED", "true");
        _server.Put("object", "content"u8.ToArray());
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        foreach ((string name, string? value) in _before) Environment.SetEnvironmentVariable(name, value);
        Directory.Delete(Files, recursive: true);
        await _server.DisposeAsync();
    }

    static void Set(params (string Name, string Value)[] variables)
    {
        foreach ((string name, string value) in variables) Environment.SetEnvironmentVariable(name, value);
    }

    static void WriteProfile(string name, string id, string secret, string token = "") =>
        File.WriteAllText(Files + "/credentials", $"[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n{(token.Length > 0 ? $"aws_session_token = {token}\n" : "")}");

    ISource Open(bool anonymous = false, string? region = null) =>
        SourceFactory.Open($"s3://{_server.Bucket}", new SourceOptions { Endpoint = _server.Endpoint, Anonymous = anonymous, Region = region, ReadDeadline = TimeSpan.FromSeconds(20) });

    async Task AssertReadsAsync(ISource source)
    {
        SourceEntry entry = (await TestSources.ListAsync(source))["object"];
        Assert.Equal("content"u8.ToArray(), await TestSources.ReadAsync(source, entry));
        Assert.Equal(0, _server.Counts.Refused);
    }

    [Fact]
    public async Task Environment_variables_give_keys_with_a_session_token()
    {
        _server.SessionToken = "session/token+=";
        Set(("AWS_ACCESS_KEY_ID", _server.AccessKey), ("AWS_SECRET_ACCESS_KEY", _server.SecretKey), ("AWS_SESSION_TOKEN", _server.SessionToken));
        await using ISource source = Open();
        await AssertReadsAsync(source);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("work")]
    public async Task A_profile_gives_keys_and_region(string? profile)
    {
        await using FaultyS3Server server = new() { Region = "eu-west-9" };
        server.Put("object", "content"u8.ToArray());
        WriteProfile(profile ?? "default", server.AccessKey, server.SecretKey);
        await File.WriteAllTextAsync(Files + "/config", $"[{(profile is null ? "default" : "profile " + profile)}]\nregion = eu-west-9\n");
        Environment.SetEnvironmentVariable("AWS_PROFILE", profile);
        await using ISource source = SourceFactory.Open($"s3://{server.Bucket}", new SourceOptions { Endpoint = server.Endpoint });
        Assert.Single(await TestSources.ListAsync(source));
    }

    [Fact]
    public async Task Variables_go_before_the_profile()
    {
        WriteProfile("default", "wrong", "wrong");
        Set(("AWS_ACCESS_KEY_ID", _server.AccessKey), ("AWS_SECRET_ACCESS_KEY", _server.SecretKey));
        await using ISource source = Open();
        await AssertReadsAsync(source);
    }

    [Fact]
    public async Task A_web_identity_token_is_exchanged_for_keys()
    {
        await using FaultyS3Server sts = new();
        List<string> bodies = [];
        sts.OnCall = call =>
        {
            bodies.Add(Encoding.UTF8.GetString(call.Body) + call.Target);
            return new S3Fault
            {
                Headers = ["Content-Type: text/xml"],
                Body = Encoding.UTF8.GetBytes($"""
                    <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
                    <Credentials><SessionToken>web-token</SessionToken><SecretAccessKey>{_server.SecretKey}</SecretAccessKey>
                    <Expiration>{DateTime.UtcNow.AddHours(1).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)}</Expiration><AccessKeyId>{_server.AccessKey}</AccessKeyId></Credentials>
                    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>x:s</AssumedRoleId></AssumedRoleUser>
                    </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>
                    """),
            };
        };
        _server.SessionToken = "web-token";
        await File.WriteAllTextAsync(Files + "/token", "the-oidc-token");
        Set(("AWS_WEB_IDENTITY_TOKEN_FILE", Files + "/token"), ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader"), ("AWS_ROLE_SESSION_NAME", "test"),
            ("AWS_ENDPOINT_URL_STS", sts.Endpoint), ("AWS_REGION", "us-east-1"));
        await using ISource source = Open();
        await AssertReadsAsync(source);
        Assert.Contains("the-oidc-token", Assert.Single(bodies));
    }

    [Fact]
    public async Task A_containers_credential_service_gives_keys()
    {
        await using FaultyS3Server service = new();
        service.OnCall = call => call.Headers.GetValueOrDefault("authorization") != "container-token" ? S3Fault.Refuse(403, "") : new S3Fault
        {
            Headers = ["Content-Type: application/json"],
            Body = Encoding.UTF8.GetBytes($$"""{"AccessKeyId":"{{_server.AccessKey}}","SecretAccessKey":"{{_server.SecretKey}}","Token":"t","Expiration":"{{DateTime.UtcNow.AddHours(1):yyyy-MM-dd'T'HH:mm:ss'Z'}}"}"""),
        };
        _server.SessionToken = "t";
        Set(("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.Endpoint + "/creds"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"));
        await using ISource source = Open();
        await AssertReadsAsync(source);
    }

    [Fact]
    public async Task Without_any_credentials_the_remedy_is_named_at_once()
    {
        await using ISource source = Open();
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Denied, e.Fault);
        Assert.Contains("AWS_ACCESS_KEY_ID", e.Message);
        Assert.Contains("--anonymous", e.Message);
        Assert.Empty(_server.Calls);
    }

    [Fact]
    public async Task Half_a_pair_of_variables_is_named()
    {
        Set(("AWS_ACCESS_KEY_ID", "x"));
        await using ISource source = Open();
        Assert.Contains("AWS_SECRET_ACCESS_KEY is not", (await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source))).Message);
    }

    [Fact]
    public async Task A_profile_that_does_not_exist_is_named()
    {
        WriteProfile("default", "x", "y");
        Set(("AWS_PROFILE", "nobody"));
        await using ISource source = Open();
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Denied, e.Fault);
        Assert.Contains("'nobody'", e.Message);
    }

    [Fact]
    public async Task Anonymous_requests_carry_no_signature()
    {
        _server.AllowAnonymous = true;
        await using ISource source = Open(anonymous: true);
        await AssertReadsAsync(source);
        Assert.All(_server.Calls, call => Assert.False(call.Headers.ContainsKey("authorization")));
    }

    [Fact]
    public async Task Anonymous_requests_to_a_private_bucket_are_denied_with_the_remedy()
    {
        await using ISource source = Open(anonymous: true);
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(source));
        Assert.Equal(SourceFault.Denied, e.Fault);
        Assert.Contains("give credentials", e.Message);
    }

    [Fact]
    public async Task Oss_variables_serve_oss_sources()
    {
        CredentialChain chain = new(SourceKind.Oss, TestSources.Variables(("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret"), ("AWS_ACCESS_KEY_ID", "aws")));
        Assert.Equal(new AccessKeys("id", "secret", null), await chain.Find().GetAsync(default));
        chain = new CredentialChain(SourceKind.Oss, TestSources.Variables(("ALIBABA_CLOUD_ACCESS_KEY_ID", "id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret"), ("ALIBABA_CLOUD_SECURITY_TOKEN", "t")));
        Assert.Equal(new AccessKeys("id", "secret", "t"), await chain.Find().GetAsync(default));
    }

    [Fact]
    public async Task Keys_that_expire_while_in_use_are_renewed_from_the_chain()
    {
        _server.SessionToken = "old";
        WriteProfile("default", _server.AccessKey, _server.SecretKey, "old");
        await using ISource source = Open();
        SourceEntry entry = (await TestSources.ListAsync(source))["object"];

        _server.SessionToken = "new";
        _server.OnCall = call => call.Headers.GetValueOrDefault("x-amz-security-token") == "old" ? S3Fault.Refuse(400, "ExpiredToken") : null;
        WriteProfile("default", _server.AccessKey, _server.SecretKey, "new");
        _server.ResetCounts();
        byte[][] reads = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => TestSources.ReadAsync(source, entry)));
        Assert.All(reads, bytes => Assert.Equal("content"u8.ToArray(), bytes));
        int gets = _server.Counts.Get;
        await TestSources.ReadAsync(source, entry);
        Assert.Equal(gets + 1, _server.Counts.Get);
    }

    [Fact]
    public async Task Expired_keys_without_newer_ones_are_denied_with_the_remedy()
    {
        Set(("AWS_ACCESS_KEY_ID", _server.AccessKey), ("AWS_SECRET_ACCESS_KEY", _server.SecretKey), ("AWS_SESSION_TOKEN", "t"));
        _server.SessionToken = "t";
        await using ISource source = Open();
        SourceEntry entry = (await TestSources.ListAsync(source))["object"];
        _server.ResetCounts();
        _server.OnCall = _ => S3Fault.Refuse(403, "ExpiredToken");
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entry));
        Assert.Equal(SourceFault.Denied, e.Fault);
        Assert.Contains("expired", e.Message);
        Assert.Equal(1, _server.Counts.Get);
    }
}
