using DataLayer.Formats;

namespace DataLayer.Sources.Tests.Odps;

public sealed class PartitionFilterTests
{
    [Theory]
    [InlineData("ds>='20240101'", true)]
    [InlineData("ds > '20240101'", false)]
    [InlineData("ds='20240101' and region='eu'", true)]
    [InlineData("ds='20240101' and not region='eu'", false)]
    [InlineData("ds<>'20240101' or region IN ('us', 'eu')", true)]
    [InlineData("region not in ('us')", true)]
    [InlineData("ds between '20231231' and '20240102'", true)]
    [InlineData("ds not between '20240101' and '20240102'", false)]
    [InlineData("hour < 10", true)]
    [InlineData("hour = 3", true)]
    [InlineData("hour = '3'", false)]
    [InlineData("region > 5", false)]
    [InlineData("not region > 5", false)]
    [InlineData("absent is null", true)]
    [InlineData("absent = 'x'", false)]
    [InlineData("not absent = 'x'", false)]
    [InlineData("ds is not null and (absent = 'x' or region = 'eu')", true)]
    [InlineData("`ds` = '20240101'", true)]
    [InlineData("quote = 'it''s'", true)]
    public void Conditions_mean_what_they_mean_in_SQL(string condition, bool included)
    {
        KeyValuePair<string, string?>[] partition = [new("ds", "20240101"), new("region", "eu"), new("hour", "03"), new("quote", "it's"), new("absent", null)];
        Assert.Equal(included, PartitionFilter.Parse(condition).Includes(partition));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ds")]
    [InlineData("ds =")]
    [InlineData("ds = 'x")]
    [InlineData("ds = x")]
    [InlineData("(ds = 'x'")]
    [InlineData("ds = 'x' region = 'y'")]
    [InlineData("ds in ()")]
    [InlineData("ds between 1")]
    [InlineData("= 'x'")]
    public void What_is_not_understood_is_refused_with_the_place(string condition)
    {
        SourceException fault = Assert.Throws<SourceException>(() => PartitionFilter.Parse(condition));
        Assert.Equal(SourceFault.Misconfigured, fault.Fault);
        Assert.Contains("at character", fault.Message);
    }

    [Fact]
    public void Deep_nesting_is_refused_instead_of_overflowing_the_stack() =>
        Assert.Throws<SourceException>(() => PartitionFilter.Parse(new string('(', 100_000)));
}
