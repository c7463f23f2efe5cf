using System.Diagnostics.CodeAnalysis;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>
/// Looks for credentials where the tools of the field do, in their order: environment variables, web identity, profile
/// files, container, instance. The AWS SDK's core does all but the first, which costs nothing and keeps its assemblies
/// unloaded in the common case. Metadata services are asked only where the environment says that one is there: a start
/// without network must not wait for an address that nobody answers.
/// </summary>
internal sealed class CredentialChain(SourceKind kind, Func<string, string?> environment)
{
    /// <exception cref="SourceException">Denied: none found, or what was found is unusable.</exception>
    public ICredentialOrigin Find()
    {
        try
        {
            return (ICredentialOrigin?)FromEnvironment() ?? FromSdk() ?? throw NotFound();
        }
        catch (Exception e) when (e is not SourceException)
        {
            throw new SourceException(SourceFault.Denied, $"The credentials could not be set up: {e.Message}", e);
        }
    }

    FixedOrigin? FromEnvironment()
    {
        if (kind == SourceKind.Oss)
        {
            return Pair("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN")
                ?? Pair("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN")
                ?? Pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN");
        }
        return Pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN");
    }

    FixedOrigin? Pair(string idName, string secretName, string tokenName)
    {
        string? id = Get(idName), secret = Get(secretName);
        if (id is null && secret is null) return null;
        if (id is null || secret is null)
            throw new SourceException(SourceFault.Denied, $"{(id is null ? secretName : idName)} is set and {(id is null ? idName : secretName)} is not; set both.");
        return new FixedOrigin(new AccessKeys(id, secret, Get(tokenName)), $"the variables {idName} and {secretName}");
    }

    SdkOrigin? FromSdk()
    {
        if (Get("AWS_WEB_IDENTITY_TOKEN_FILE") is not null && Get("AWS_ROLE_ARN") is not null)
            return new SdkOrigin(AssumeRoleWithWebIdentityCredentials.FromEnvironmentVariables, "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN");

        string? named = Get("AWS_PROFILE");
        if (TryProfile(out AWSCredentials? credentials)) return new SdkOrigin(() => credentials, $"the profile '{named ?? "default"}'");
        if (named is not null)
            throw new SourceException(SourceFault.Denied, $"AWS_PROFILE names the profile '{named}', which has no usable credentials in ~/.aws/credentials or ~/.aws/config.");

        if (Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") is not null || Get("AWS_CONTAINER_CREDENTIALS_FULL_URI") is not null)
            return new SdkOrigin(() => new GenericContainerCredentials(), "the container's credential service");
        return HasInstanceService() ? new SdkOrigin(() => new InstanceProfileAWSCredentials(), "the instance's role") : null;
    }

    bool TryProfile([NotNullWhen(true)] out AWSCredentials? credentials)
    {
        credentials = null;
        return ProfileFilesExist() && ProfileStore().TryGetAWSCredentials(Get("AWS_PROFILE") ?? "default", out credentials);
    }

    /// <summary>The region of the profile in use, or null.</summary>
    public string? ProfileRegion()
    {
        if (kind == SourceKind.Oss || !ProfileFilesExist()) return null;
        return ProfileStore().TryGetProfile(Get("AWS_PROFILE") ?? "default", out CredentialProfile profile) ? profile.Region?.SystemName : null;
    }

    static CredentialProfileStoreChain ProfileStore() => new();

    bool ProfileFilesExist()
    {
        string home = Path.Combine(Get("HOME") ?? "/", ".aws");
        return File.Exists(Get("AWS_SHARED_CREDENTIALS_FILE") ?? Path.Combine(home, "credentials")) || File.Exists(Get("AWS_CONFIG_FILE") ?? Path.Combine(home, "config"));
    }

    /// <summary>An EC2 machine says so in its firmware tables; elsewhere the variable names the service.</summary>
    bool HasInstanceService()
    {
        if (string.Equals(Get("AWS_EC2_METADATA_DISABLED"), "true", StringComparison.OrdinalIgnoreCase)) return false;
        if (Get("AWS_EC2_METADATA_SERVICE_ENDPOINT") is not null) return true;
        const string vendor = "/sys/class/dmi/id/sys_vendor";
        return File.Exists(vendor) && File.ReadAllText(vendor).Contains("Amazon EC2", StringComparison.Ordinal);
    }

    SourceException NotFound() => new(SourceFault.Denied, kind == SourceKind.Oss
        ? "No credentials found: set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or give --anonymous for a public bucket."
        : "No credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give --anonymous for a public bucket.");

    string? Get(string name) => environment(name) is { Length: > 0 } value ? value : null;

    sealed class FixedOrigin(AccessKeys keys, string name) : ICredentialOrigin
    {
        public string Name => name;
        public ValueTask<AccessKeys> GetAsync(CancellationToken cancellation) => new(keys);
    }

    /// <summary>The SDK renews what expires by itself, minutes ahead, when asked.</summary>
    /// <param name="create">May already ask a metadata service, blocking.</param>
    sealed class SdkOrigin(Func<AWSCredentials> create, string name) : ICredentialOrigin
    {
        readonly Lazy<AWSCredentials> _credentials = new(create);

        public string Name => name;

        public async ValueTask<AccessKeys> GetAsync(CancellationToken cancellation)
        {
            ImmutableCredentials keys = await Task.Run(() => _credentials.Value.GetCredentialsAsync(), cancellation);
            return new AccessKeys(keys.AccessKey, keys.SecretKey, keys.UseToken ? keys.Token : null);
        }
    }
}

/// <summary>Where keys come from; asked again from time to time.</summary>
internal interface ICredentialOrigin
{
    /// <summary>To show: "the profile 'x'".</summary>
    string Name { get; }

    ValueTask<AccessKeys> GetAsync(CancellationToken cancellation);
}
