using Xunit;

namespace DataLayer.Fuse.Tests;

public sealed class FuseOptionsTests
{
    [Fact]
    public void Defaults_are_valid() => new FuseOptions().Validate();

    public static TheoryData<string, FuseOptions> Bad() => new()
    {
        { "Threads", new FuseOptions { Threads = 0 } },
        { "RingEntries", new FuseOptions { RingEntries = 0 } },
        { "MaxRead", new FuseOptions { MaxRead = 5000 } },
        { "MaxRead", new FuseOptions { MaxRead = 0 } },
        { "ReadAhead", new FuseOptions { ReadAhead = -1 } },
        { "MaxBackground", new FuseOptions { MaxBackground = 70_000 } },
        { "PayloadPoolSize", new FuseOptions { PayloadPoolSize = 4096 } },
        { "PassthroughDepth", new FuseOptions { PassthroughDepth = 3 } },
        { "MaxMinor", new FuseOptions { MaxMinor = 30 } },
        { "Subtype", new FuseOptions { Subtype = "a,b" } },
        { "Source", new FuseOptions { Source = "" } },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_bad_value_is_named(string name, FuseOptions options) =>
        Assert.StartsWith(name + " is '", Assert.Throws<ArgumentException>(name, options.Validate).Message, StringComparison.Ordinal);
}
