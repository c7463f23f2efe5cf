using DataLayer.FuseFs.CommandLine;
using Xunit;

namespace DataLayer.FuseFs.Tests;

public sealed class ValuesTests
{
    [Theory]
    [InlineData("0", 0L)]
    [InlineData("1024", 1024L)]
    [InlineData("20GiB", 20L << 30)]
    [InlineData("20G", 20L << 30)]
    [InlineData("1.5 TiB", 3L << 39)]
    [InlineData("512mb", 512L << 20)]
    public void Sizes_are_powers_of_1024(string text, long expected)
    {
        Assert.True(Values.TryParseSize(text, out long bytes));
        Assert.Equal(expected, bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("many")]
    [InlineData("1e3")]
    [InlineData("99999999P")]
    [InlineData("0x10")]
    public void What_is_no_size_is_refused(string text) => Assert.False(Values.TryParseSize(text, out _));

    [Theory]
    [InlineData("500ms", 0.5)]
    [InlineData("30s", 30)]
    [InlineData("5m", 300)]
    [InlineData("2h", 7200)]
    [InlineData("1d", 86400)]
    public void Durations_have_a_unit(string text, double seconds)
    {
        Assert.True(Values.TryParseDuration(text, out TimeSpan duration));
        Assert.Equal(seconds, duration.TotalSeconds);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("5 m")]
    [InlineData("-5m")]
    [InlineData("999999999999999d")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(Values.TryParseDuration(text, out _));

    [Theory]
    [InlineData("444", 0x124)]
    [InlineData("0755", 0x1ED)]
    [InlineData("07777", 0xFFF)]
    public void Modes_are_octal(string text, int expected)
    {
        Assert.True(Values.TryParseMode(text, out int mode));
        Assert.Equal(expected, mode);
    }

    [Theory]
    [InlineData("")]
    [InlineData("8")]
    [InlineData("17777")]
    [InlineData("rwx")]
    public void What_is_no_mode_is_refused(string text) => Assert.False(Values.TryParseMode(text, out _));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.50 KiB")]
    [InlineData(long.MaxValue, "8192.00 PiB")]
    public void Sizes_are_printed_with_two_decimals(long bytes, string expected) => Assert.Equal(expected, Values.Size(bytes));
}

public sealed class SourceArgumentTests
{
    [Theory]
    [InlineData("s3://bucket/prefix", "s3://bucket/prefix", "")]
    [InlineData("s3://bucket/prefix=images", "s3://bucket/prefix", "images")]
    [InlineData("s3://bucket/prefix=/a/b/", "s3://bucket/prefix", "a/b")]
    [InlineData("nfs://server/export?version=4", "nfs://server/export?version=4", "")]
    [InlineData("nfs://server/export?version=3&mountport=9=data", "nfs://server/export?version=3&mountport=9", "data")]
    [InlineData("nfs://server/export=data", "nfs://server/export", "data")]
    [InlineData("/no/such/ds=1=data", "/no/such/ds=1", "data")]
    [InlineData("/no/such/ds=1=", "/no/such/ds=1", "")]
    public void The_last_equals_sign_separates_the_sub_path(string text, string uri, string subPath) =>
        Assert.Equal(new SourceArgument(uri, subPath), SourceArgument.Parse(text));

    [Fact]
    public void A_partition_directory_that_exists_is_taken_whole()
    {
        string directory = Directory.CreateTempSubdirectory("ds=").FullName;
        try
        {
            Assert.Equal(new SourceArgument(directory, ""), SourceArgument.Parse(directory));
        }
        finally
        {
            Directory.Delete(directory);
        }
    }
}
