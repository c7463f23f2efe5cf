using DataLayer.FuseFs.Control;
using Xunit;

namespace DataLayer.FuseFs.Tests;

public sealed class MetricsServerTests
{
    [Theory]
    [InlineData("127.0.0.1:9464")]
    [InlineData("localhost:1")]
    [InlineData("[::1]:9464")]
    public void Loopback_addresses_are_taken(string text) => Assert.NotEqual(0, MetricsServer.ParseEndpoint(text).Port);

    [Theory]
    [InlineData("0.0.0.0:9464")]
    [InlineData("192.0.2.1:9464")]
    [InlineData("127.0.0.1")]
    [InlineData("9464")]
    [InlineData("host:9464")]
    public void Anything_else_is_refused_with_its_text(string text) =>
        Assert.Contains(text, Assert.Throws<UserException>(() => MetricsServer.ParseEndpoint(text)).Message);

    [Fact]
    public void Every_sample_has_help_and_type_before_it()
    {
        string[] lines = MetricsServer.Format(new MountStats { Snapshot = "x", Hits = 3, Requests = new Dictionary<string, long> { ["read"] = 7 } }).TrimEnd().Split('\n');
        HashSet<string> typed = [];
        foreach (string line in lines)
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal)) typed.Add(line.Split(' ')[2]);
            else if (!line.StartsWith('#')) Assert.Contains(line.Split(' ', '{')[0], typed);
        }

        Assert.Contains("datalayer_mount_read_hits_total 3", lines);
        Assert.Contains("datalayer_mount_fuse_requests_total{operation=\"read\"} 7", lines);
    }
}
