using DataLayer.Sources.S3;

namespace DataLayer.Sources.Tests;

/// <summary>The examples of "Signature Calculations for the Authorization Header" in the Amazon S3 API reference.</summary>
public sealed class SigV4SignerTests
{
    static readonly AccessKeys Keys = new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", null);

    [Theory]
    [InlineData("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")]
    [InlineData("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")]
    public void Documented_examples_give_the_documented_signatures(string query, string signature)
    {
        SigV4Signer signer = new("us-east-1");
        string date = signer.AmzDate(new DateTimeOffset(2013, 5, 24, 0, 0, 0, TimeSpan.Zero));
        string header = signer.Authorize(Keys, "examplebucket.s3.amazonaws.com", "/", query, date, askChecksum: false);
        Assert.Equal($"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}", header);
    }

    [Fact]
    public void The_signing_key_follows_the_day_and_the_credentials()
    {
        SigV4Signer signer = new("us-east-1");
        string[] headers =
        [
            signer.Authorize(Keys, "h", "/", "", "20130524T000000Z", false),
            signer.Authorize(Keys, "h", "/", "", "20130525T000000Z", false),
            signer.Authorize(Keys with { Secret = "other" }, "h", "/", "", "20130525T000000Z", false),
            signer.Authorize(Keys with { SessionToken = "token" }, "h", "/", "", "20130525T000000Z", false),
        ];
        Assert.Equal(4, headers.Select(h => h[^64..]).Distinct().Count());
        Assert.Equal(headers[0], signer.Authorize(Keys, "h", "/", "", "20130524T000000Z", false));
    }

    [Fact]
    public void Access_keys_do_not_show_their_secret() => Assert.DoesNotContain(Keys.Secret, $"{Keys}");
}
