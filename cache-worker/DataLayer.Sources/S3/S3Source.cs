using System.Runtime.CompilerServices;
using System.Text;
using DataLayer.Formats;

namespace DataLayer.Sources.S3;

/// <summary>
/// A prefix of a bucket of S3, of OSS through its S3-compatible endpoint, or of any server that speaks the same. Reads
/// are GETs only, never HEADs. An object's version is its ETag, with the version id where the bucket has versions.
/// </summary>
internal sealed class S3Source : ISource
{
    readonly S3Client _client;
    readonly BodyCheck _check;

    S3Source(S3Client client)
    {
        _client = client;
        _check = new BodyCheck(client.Options.VerifyBodies);
    }

    public static S3Source Open(SourceUri uri, SourceOptions options) => Open(uri, options, Environment.GetEnvironmentVariable);

    /// <param name="environment">Environment variables by name.</param>
    internal static S3Source Open(SourceUri uri, SourceOptions options, Func<string, string?> environment)
    {
        CredentialChain chain = new(uri.Kind, environment);
        S3Location location = S3Location.Resolve(uri, options, environment, options.Region is null && !options.Anonymous ? chain.ProfileRegion() : null);
        return new S3Source(new S3Client(location, options, options.Anonymous ? null : new S3Credentials(chain.Find)));
    }

    public string Identity => _client.Location.Identity;

    public async IAsyncEnumerable<IReadOnlyList<SourceEntry>> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        ListRequests requests = new(_client);
        requests.Versions = await requests.IsVersionedAsync(cancellation);
        if (requests.Versions && !await MayListVersionsAsync(requests, cancellation)) requests.Versions = false;

        S3Listing listing = new(requests, _client.Location, _client.Options.MaxListRequests, cancellation);
        listing.Start();
        try
        {
            while (await listing.Pages.WaitToReadAsync(cancellation))
                while (listing.Pages.TryRead(out List<SourceEntry>? page)) yield return page;
        }
        finally
        {
            listing.Stop();
        }
    }

    /// <summary>ListObjectVersions is a permission of its own; without it the ETags have to do.</summary>
    async Task<bool> MayListVersionsAsync(ListRequests requests, CancellationToken cancellation)
    {
        try
        {
            await requests.GetPageAsync(_client.Location.Prefix, null, null, byDirectory: true, cancellation);
            return true;
        }
        catch (SourceException e) when (e.Fault == SourceFault.Denied)
        {
            return false;
        }
    }

    public ValueTask ReadAsync(SourceFile file, long offset, Memory<byte> destination, CancellationToken cancellation) =>
        destination.IsEmpty ? ValueTask.CompletedTask : new ObjectRead(_client, _check, file, offset, destination).RunAsync(cancellation);

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>A bucket, or an object in it, as users name it; what is not printable becomes '?'.</summary>
    internal static string Name(S3Location location, ReadOnlySpan<byte> key)
    {
        string scheme = location.Kind == SourceKind.Oss ? "oss" : "s3";
        char[] text = $"{scheme}://{location.Bucket}/{Encoding.UTF8.GetString(location.Prefix)}{Encoding.UTF8.GetString(key)}".ToCharArray();
        for (int i = 0; i < text.Length; i++)
            if (char.IsControl(text[i]) || text[i] == '\uFFFD') text[i] = '?';
        return new string(text);
    }
}
