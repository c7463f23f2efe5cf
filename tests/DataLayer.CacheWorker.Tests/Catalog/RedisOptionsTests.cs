using DataLayer.CacheWorker.Catalog;
using Xunit;

namespace DataLayer.CacheWorker.Tests.Catalog;

public sealed class RedisOptionsTests
{
    [Theory]
    [InlineData("redis://h", "h:6379", null, false)]
    [InlineData("redis://h:1/", "h:1", null, false)]
    [InlineData("rediss://:p%40ss@a:1,b,[::1]:7,[fe80::2]", "a:1 b:6379 ::1:7 fe80::2:6379", "p@ss", true)]
    [InlineData("redis://default:x:y@h", "h:6379", "x:y", false)]
    [InlineData("h1,h2:5", "h1:6379 h2:5", null, false)]
    public void An_address_is_read(string address, string servers, string? password, bool tls)
    {
        RedisOptions options = RedisOptions.Parse(address);
        Assert.Equal(servers, string.Join(' ', options.Servers.Select(s => $"{s.Host}:{s.Port}")));
        Assert.Equal((password, tls), (options.Password, options.Tls));
    }

    [Theory]
    [InlineData("http://h", "redis://")]
    [InlineData("redis://", "HOST")]
    [InlineData("redis://h:0", "h:0")]
    [InlineData("redis://h:port", "h:port")]
    [InlineData("redis://a,,b", "HOST")]
    [InlineData("redis://s3cret@h", ":PASSWORD")]
    [InlineData("redis://alice:s3cret@h", "alice")]
    public void A_wrong_one_is_told_without_the_password(string address, string names)
    {
        string message = Assert.Throws<ArgumentException>(() => RedisOptions.Parse(address)).Message;
        Assert.Contains(names, message);
        Assert.DoesNotContain("s3cret", message);
    }

    [Fact]
    public void An_ACL_user_is_refused_with_the_reason() =>
        Assert.Contains("ACL user \"alice\"", Assert.Throws<ArgumentException>(() => RedisOptions.Parse("redis://alice:x@h")).Message);
}
