using System.Text;
using DataLayer.EndToEndBenchmarks.Server;
using Xunit;

namespace DataLayer.EndToEndBenchmarks.Tests;

public sealed class HttpRequestTests
{
    [Theory]
    [InlineData("a%20b%2Fc+d", false, "a b/c+d")]
    [InlineData("a%20b%2Fc+d", true, "a b/c d")]
    [InlineData("%C3%A4", true, "ä")]
    [InlineData("%4", false, null)]
    [InlineData("%zz", false, null)]
    [InlineData("%+4", false, null)]
    [InlineData("12345678901234567", false, null)]
    public void Percent_signs_are_decoded_and_malformed_or_long_text_is_refused(string text, bool isQuery, string? expected)
    {
        byte[] target = new byte[16];
        int length = HttpRequest.Decode(Encoding.UTF8.GetBytes(text), target, isQuery);
        Assert.Equal(expected, length < 0 ? null : Encoding.UTF8.GetString(target, 0, length));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n", true, false)]
    [InlineData("GET / HTTP/1.0\r\n\r\n", true, true)]
    [InlineData("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false)]
    [InlineData("GET / HTTP/1.1\r\nCONNECTION:close\r\n\r\n", true, true)]
    [InlineData("GET http://host/ HTTP/1.1\r\n\r\n", true, false)]
    [InlineData("GET /\r\n\r\n", false, false)]
    [InlineData("GET / HTTP/2\r\n\r\n", false, false)]
    [InlineData("GET / HTTP/1.1\r\nno colon\r\n\r\n", false, false)]
    [InlineData("\r\n\r\n", false, false)]
    public void Heads_are_understood_or_refused(string head, bool isGood, bool closes)
    {
        Assert.Equal(isGood, HttpRequest.TryParse(Encoding.ASCII.GetBytes(head), out HttpRequest request));
        if (!isGood) return;
        Assert.Equal("/", Encoding.ASCII.GetString(request.Path));
        Assert.Equal(closes, request.CloseAfter);
    }

    [Fact]
    public void Query_parameters_are_found_by_their_whole_name()
    {
        Assert.True(HttpRequest.TryParse("GET /b?max-keys=5&prefix&x=1&prefix=late HTTP/1.1\r\n\r\n"u8, out HttpRequest request));
        Assert.True(request.TryQuery("prefix"u8, out ReadOnlySpan<byte> value) && value.IsEmpty);
        Assert.True(request.TryQuery("x"u8, out value) && value.SequenceEqual("1"u8));
        Assert.False(request.TryQuery("max"u8, out _));
    }
}
