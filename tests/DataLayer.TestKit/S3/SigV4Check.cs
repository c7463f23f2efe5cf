using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.TestKit.S3;

/// <summary>Verifies Signature Version 4 as its documentation describes it, from the request as received.</summary>
internal static class SigV4Check
{
    /// <returns>Null when the signature is right; else the S3 error code.</returns>
    public static string? Verify(S3Call call, string accessKey, string secretKey, string? sessionToken, string region, DateTime now)
    {
        if (!call.Headers.TryGetValue("authorization", out string? authorization)) return "AccessDenied";
        const string scheme = "AWS4-HMAC-SHA256 ";
        if (!authorization.StartsWith(scheme, StringComparison.Ordinal)) return "AccessDenied";
        Dictionary<string, string> fields = authorization[scheme.Length..].Split(", ").Select(f => f.Split('=', 2)).ToDictionary(f => f[0], f => f[1]);
        string[] scope = fields["Credential"].Split('/');
        if (scope.Length != 5 || scope[0] != accessKey) return "InvalidAccessKeyId";
        if (scope[2] != region) return "AuthorizationHeaderMalformed";
        if (call.Headers.GetValueOrDefault("x-amz-security-token") != sessionToken) return "InvalidToken";

        string date = call.Headers.GetValueOrDefault("x-amz-date") ?? "";
        if (!DateTime.TryParseExact(date, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTime sent)) return "AccessDenied";
        if ((sent - now).Duration() > TimeSpan.FromMinutes(15)) return "RequestTimeTooSkewed";

        string[] signed = fields["SignedHeaders"].Split(';');
        if (!signed.Contains("host") || call.Headers.Keys.Any(h => h.StartsWith("x-amz-", StringComparison.Ordinal) && !signed.Contains(h))) return "AccessDenied";

        string path = call.Target.Split('?', 2)[0];
        string query = call.Target.Contains('?') ? call.Target.Split('?', 2)[1] : "";
        string canonicalQuery = string.Join('&', query.Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(p => p.Split('=', 2)).Select(p => (Name: Encode(Decode(p[0]), "-._~"), Value: Encode(Decode(p.Length > 1 ? p[1] : ""), "-._~")))
            .OrderBy(p => p.Name, StringComparer.Ordinal).ThenBy(p => p.Value, StringComparer.Ordinal).Select(p => $"{p.Name}={p.Value}"));
        string canonical = $"{call.Method}\n{Encode(Decode(path), "-._~/")}\n{canonicalQuery}\n"
            + string.Concat(signed.Select(h => $"{h}:{call.Headers.GetValueOrDefault(h)?.Trim()}\n")) + $"\n{fields["SignedHeaders"]}\n{call.Headers.GetValueOrDefault("x-amz-content-sha256")}";
        string toSign = $"AWS4-HMAC-SHA256\n{date}\n{string.Join('/', scope[1..])}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";

        byte[] key = Encoding.UTF8.GetBytes("AWS4" + secretKey);
        foreach (string part in scope[1..]) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        string signature = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign)));
        return signature == fields["Signature"] ? null : "SignatureDoesNotMatch";
    }

    public static byte[] Decode(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        List<byte> decoded = new(bytes.Length);
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] == '%' && i + 2 < bytes.Length)
            {
                decoded.Add(byte.Parse(text.AsSpan(i + 1, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                i += 2;
            }
            else
            {
                decoded.Add(bytes[i]);
            }
        }
        return [.. decoded];
    }

    static string Encode(byte[] bytes, string unreserved) =>
        string.Concat(bytes.Select(b => char.IsAsciiLetterOrDigit((char)b) || unreserved.Contains((char)b) ? ((char)b).ToString() : $"%{b:X2}"));
}
