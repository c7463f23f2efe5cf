using System.Net;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>Where a bucket is and how requests to it are addressed and signed. Holds no secret.</summary>
internal sealed record S3Location
{
    public required SourceKind Kind { get; init; }
    public required string Bucket { get; init; }

    /// <summary>UTF-8; empty or ending in '/'.</summary>
    public required byte[] Prefix { get; init; }

    public required string Region { get; init; }

    /// <summary>"https" or "http".</summary>
    public required string Scheme { get; init; }

    /// <summary>The Host header: with the bucket in front when virtual-hosted, with the port when it is not the scheme's.</summary>
    public required string Host { get; init; }

    /// <summary>Percent-encoded, before the key: "/" or "/bucket/".</summary>
    public required string PathBase { get; init; }

    public required string Identity { get; init; }

    /// <summary>The endpoint is this machine, where a proxy of the environment is never wanted.</summary>
    public required bool IsLoopback { get; init; }

    /// <exception cref="SourceException">Misconfigured.</exception>
    public static S3Location Resolve(SourceUri uri, SourceOptions options, Func<string, string?> environment, string? profileRegion)
    {
        bool oss = uri.Kind == SourceKind.Oss;
        string? region = options.Region
            ?? (oss ? environment("OSS_REGION") : environment("AWS_REGION") ?? environment("AWS_DEFAULT_REGION") ?? profileRegion);
        string? endpoint = options.Endpoint
            ?? (oss ? environment("OSS_ENDPOINT") : environment("AWS_ENDPOINT_URL_S3") ?? environment("AWS_ENDPOINT_URL"));

        if (endpoint is null)
        {
            if (oss && region is null)
                throw new SourceException(SourceFault.Misconfigured, $"oss://{uri.Bucket} needs --endpoint (such as https://oss-cn-hangzhou.aliyuncs.com) or --region (such as cn-hangzhou).");
            region ??= "us-east-1";
            endpoint = oss ? $"https://s3.oss-{StripOss(region)}.aliyuncs.com"
                : region.StartsWith("cn-", StringComparison.Ordinal) ? $"https://s3.{region}.amazonaws.com.cn" : $"https://s3.{region}.amazonaws.com";
        }
        Uri address = ParseEndpoint(endpoint);
        string host = address.IdnHost.ToLowerInvariant();
        if (IsOssHost(host))
        {
            region ??= OssRegion(host);
            // The S3-compatible endpoint of a region is its own with "s3." in front.
            if (!host.StartsWith("s3.", StringComparison.Ordinal)) host = "s3." + host;
        }
        else
        {
            region ??= AwsRegion(host);
        }
        region = oss ? StripOss(region ?? "us-east-1") : region ?? "us-east-1";

        string port = address.IsDefaultPort ? "" : ":" + address.Port;
        bool pathStyle = options.PathStyle ?? (IsAddress(address, host) || !CanBeHostLabel(uri.Bucket));
        // Uri.IdnHost drops the brackets of an IPv6 address.
        string hostText = address.HostNameType == UriHostNameType.IPv6 ? $"[{host}]" : host;
        return new S3Location
        {
            Kind = uri.Kind,
            Bucket = uri.Bucket,
            Prefix = Encoding.UTF8.GetBytes(uri.Prefix),
            Region = region,
            Scheme = address.Scheme,
            Host = (pathStyle ? hostText : $"{uri.Bucket}.{hostText}") + port,
            PathBase = pathStyle ? $"/{uri.Bucket}/" : "/",
            Identity = $"s3://{CanonicalHost(hostText)}{port}/{uri.Bucket}/{uri.Prefix}".TrimEnd('/'),
            IsLoopback = address.IsLoopback,
        };
    }

    static Uri ParseEndpoint(string endpoint)
    {
        string text = endpoint.Contains("://", StringComparison.Ordinal) ? endpoint : "https://" + endpoint;
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address) || address.Host.Length == 0)
            throw Bad("The endpoint is not an address; give one such as https://s3.example.com:9000.");
        if (address.UserInfo.Length > 0)
            throw Bad("Credentials do not belong into the endpoint; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile.");
        if (address.Scheme is not ("http" or "https"))
            throw Bad($"The endpoint's scheme is '{address.Scheme}'; it must be https or http.");
        if (address.AbsolutePath is not ("/" or "") || address.Query.Length > 0 || address.Fragment.Length > 0)
            throw Bad($"The endpoint must be a host and port only, without '{address.PathAndQuery}{address.Fragment}'; the bucket belongs into the source's name.");
        return address;
    }

    /// <summary>
    /// A bucket's name is unique among all regions of one provider, so every one of the provider's host names for it
    /// (regional, dual-stack, internal, S3-compatible) stands for the same place.
    /// </summary>
    static string CanonicalHost(string host)
    {
        if (IsOssHost(host))
        {
            host = host.StartsWith("s3.", StringComparison.Ordinal) ? host[3..] : host;
            return host.Replace("-internal.", ".", StringComparison.Ordinal);
        }
        if (IsAwsHost(host)) return host.EndsWith(".cn", StringComparison.Ordinal) ? "s3.amazonaws.com.cn" : "s3.amazonaws.com";
        return host;
    }

    static bool IsOssHost(string host) =>
        host.EndsWith(".aliyuncs.com", StringComparison.Ordinal) && (host.StartsWith("oss-", StringComparison.Ordinal) || host.StartsWith("s3.oss-", StringComparison.Ordinal));

    static bool IsAwsHost(string host) =>
        (host.EndsWith(".amazonaws.com", StringComparison.Ordinal) || host.EndsWith(".amazonaws.com.cn", StringComparison.Ordinal))
        && (host.StartsWith("s3.", StringComparison.Ordinal) || host.StartsWith("s3-", StringComparison.Ordinal));

    static string? OssRegion(string host)
    {
        string label = host.Split('.').First(l => l.StartsWith("oss-", StringComparison.Ordinal))[4..];
        if (label.EndsWith("-internal", StringComparison.Ordinal)) label = label[..^"-internal".Length];
        return label.StartsWith("accelerate", StringComparison.Ordinal) ? null : label;
    }

    static string? AwsRegion(string host) =>
        IsAwsHost(host) ? host.Split('.').FirstOrDefault(l => l.Count(c => c == '-') >= 2 && char.IsAsciiDigit(l[^1])) : null;

    static string StripOss(string region) => region.StartsWith("oss-", StringComparison.Ordinal) ? region[4..] : region;

    static bool IsAddress(Uri address, string host) =>
        address.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 || IPAddress.TryParse(host, out _) || address.IsLoopback || !host.Contains('.');

    /// <summary>A dot would not match the provider's wildcard certificate; upper case and '_' are not DNS.</summary>
    static bool CanBeHostLabel(string bucket) =>
        bucket.Length is >= 3 and <= 63 && bucket.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') && bucket[0] != '-' && bucket[^1] != '-';

    static SourceException Bad(string message) => new(SourceFault.Misconfigured, message);
}
