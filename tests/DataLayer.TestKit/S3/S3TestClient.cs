using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.TestKit.S3;

/// <summary>Fills buckets of real S3 servers: the writing half that the product does not have.</summary>
public sealed class S3TestClient(string endpoint, string accessKey, string secretKey, string region = "us-east-1") : IDisposable
{
    readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };

    public Task CreateBucketAsync(string bucket) => SendAsync(HttpMethod.Put, $"/{bucket}", "", []);

    public Task EnableVersioningAsync(string bucket) =>
        SendAsync(HttpMethod.Put, $"/{bucket}", "versioning=", "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>"u8.ToArray());

    public Task PutAsync(string bucket, string key, byte[] body) => SendAsync(HttpMethod.Put, $"/{bucket}/{Encode(key)}", "", body);

    public Task DeleteAsync(string bucket, string key) => SendAsync(HttpMethod.Delete, $"/{bucket}/{Encode(key)}", "", []);

    /// <summary>Puts in several parts, so that the ETag is not the MD5 of the whole. All parts but the last are at least 5 MiB.</summary>
    public async Task PutInPartsAsync(string bucket, string key, params byte[][] parts)
    {
        string path = $"/{bucket}/{Encode(key)}";
        string started = await SendAsync(HttpMethod.Post, path, "uploads=", []);
        string id = started.Split("<UploadId>")[1].Split("</UploadId>")[0];
        StringBuilder list = new("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for (int i = 0; i < parts.Length; i++)
        {
            await SendAsync(HttpMethod.Put, path, $"partNumber={i + 1}&uploadId={Uri.EscapeDataString(id)}", parts[i]);
            list.Append(CultureInfo.InvariantCulture, $"<Part><PartNumber>{i + 1}</PartNumber><ETag>\"{Convert.ToHexStringLower(MD5.HashData(parts[i]))}\"</ETag></Part>");
        }
        await SendAsync(HttpMethod.Post, path, $"uploadId={Uri.EscapeDataString(id)}", Encoding.UTF8.GetBytes(list.Append("</CompleteMultipartUpload>").ToString()));
    }

    async Task<string> SendAsync(HttpMethod method, string path, string query, byte[] body)
    {
        Uri uri = new($"{endpoint}{path}{(query.Length > 0 ? "?" + query : "")}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        string date = DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        string hash = Convert.ToHexStringLower(SHA256.HashData(body));
        string host = uri.IsDefaultPort ? uri.Host : $"{uri.Host}:{uri.Port}";
        string canonical = $"{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{date}\n\nhost;x-amz-content-sha256;x-amz-date\n{hash}";
        string scope = $"{date[..8]}/{region}/s3/aws4_request";
        byte[] key = Encoding.UTF8.GetBytes("AWS4" + secretKey);
        foreach (string part in scope.Split('/')) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        string toSign = $"AWS4-HMAC-SHA256\n{date}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        string signature = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign)));

        using HttpRequestMessage request = new(method, uri) { Content = new ByteArrayContent(body) };
        request.Headers.TryAddWithoutValidation("Authorization", $"AWS4-HMAC-SHA256 Credential={accessKey}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}");
        request.Headers.TryAddWithoutValidation("x-amz-content-sha256", hash);
        request.Headers.TryAddWithoutValidation("x-amz-date", date);
        using HttpResponseMessage answer = await _http.SendAsync(request);
        string text = await answer.Content.ReadAsStringAsync();
        return (int)answer.StatusCode < 300 ? text : throw new HttpRequestException($"{method} {path}?{query}: {(int)answer.StatusCode} {text}", null, answer.StatusCode);
    }

    static string Encode(string key) =>
        string.Concat(Encoding.UTF8.GetBytes(key).Select(b => char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~' or (byte)'/' ? ((char)b).ToString() : $"%{b:X2}"));

    public void Dispose() => _http.Dispose();
}
