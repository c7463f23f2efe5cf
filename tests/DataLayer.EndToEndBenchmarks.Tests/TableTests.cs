using DataLayer.EndToEndBenchmarks.Phases;
using DataLayer.EndToEndBenchmarks.Report;
using Xunit;

namespace DataLayer.EndToEndBenchmarks.Tests;

public sealed class TableTests
{
    private readonly Results _results = new(TextWriter.Null);
    private readonly BenchmarkOptions _options = new() { Folder = "/tmp" };

    [Fact]
    public void Ratios_are_of_medians_and_are_judged()
    {
        AddWarm("ext4", 1, 2, 9);
        AddWarm("dl-fuse", 3, 2.5, 2.5);
        Row row = Row("W1 warm epoch, verified");
        Assert.Equal("10,000 files/s (1.00 ×)", row.Cells["ext4"]);
        Assert.Equal("8,000 files/s (0.80 ×)", row.Cells["dl-fuse"]);
        Assert.True(row.IsMet);
        AddWarm("dl-fuse", 4, 4, 4);
        Assert.False(Row("W1 warm epoch, verified").IsMet);
    }

    [Fact]
    public void Cold_epochs_are_judged_by_the_plain_connections_of_the_same_run()
    {
        _results.Add(ColdPhase.Name, "w1", "plain-64", "epoch", 1, 5.0);
        _results.Add(ColdPhase.Name, "w1", "dl-fuse", "epoch", 1, 6.4);
        Row row = Row("W1 cold epoch (ratio: time of 64 plain connections ÷ its time)");
        Assert.Equal(("≤ 6.50 s", true), (row.Must, row.IsMet));
        _results.Add(ColdPhase.Name, "w1", "dl-fuse", "epoch", 2, 7.4);
        Assert.False(Row(row.Measure).IsMet);
    }

    [Fact]
    public void Requests_of_mounting_count_as_requests_of_the_epoch()
    {
        void Add(string step, double get, double head, double list) => _results.Add(
            ColdPhase.Name, "w1", "dl-fuse", step, 1, 1, new() { ["get"] = get, ["head"] = head, ["list"] = list });
        Add("mount", 0, 0, 30);
        Add("epoch", 20_000, 0, 0);
        Assert.True(Row("W1 cold epoch, requests with mounting").IsMet);
        Add("mount", 0, 0, 60);
        Add("mount", 0, 0, 60);
        Assert.False(Row("W1 cold epoch, requests with mounting").IsMet);
    }

    [Fact]
    public void The_first_epoch_of_a_half_cache_only_fills_it()
    {
        for (int round = 1; round <= 3; round++)
        {
            double hit = round == 1 ? 0 : 0.48;
            _results.Add(HalfCachePhase.Name, "w1", "dl-fuse", "cache", round, 1, new()
            {
                ["hitRate"] = hit,
                ["limit"] = 50,
                ["datasetBytes"] = 100,
                ["cachedBefore"] = round == 1 ? 0 : 49,
                ["cachedAfter"] = 49,
                ["sourceBytes"] = round == 1 ? 100 : 52,
            });
        }

        Assert.Equal(("0.96", true), (Row("W1, cache of half: hit rate ÷ (limit ÷ data set)").Cells["dl-fuse"], Row("W1, cache of half: hit rate ÷ (limit ÷ data set)").IsMet));
        Assert.True(Row("W1, cache of half: source bytes ÷ (data set − cached)").IsMet);
    }

    [Fact]
    public void Growing_memory_is_told()
    {
        for (int round = 1; round <= 8; round++)
            _results.Add(LocalPhases.Memory, "w1", "dl-fuse", "epoch", round, 1, new() { ["rssAnon"] = (100 + (round * 2)) << 20 });
        Row row = Row("W1, RssAnon over 8 epochs, first → last quarter");
        Assert.Equal(("103 → 115 MB", false), (row.Cells["dl-fuse"], row.IsMet));
    }

    [Fact]
    public void A_report_holds_every_number_and_every_failure()
    {
        AddWarm("ext4", 1.5);
        _results.Fail("cold", "w1", "rclone", "did not | mount");
        var machine = new Machine("6.18", 2, "some", 24, "ext4", "abc", "10.0", "now");
        IReadOnlyList<Row> rows = new Table(_results, _options).Build();
        string json = ReportWriter.ToJson(rows, _results, machine, _options);
        Assert.Contains("\"seconds\": 1.5", json, StringComparison.Ordinal);
        Assert.Contains("did not | mount", json, StringComparison.Ordinal);
        Assert.Contains("\"commit\": \"abc\"", json, StringComparison.Ordinal);
        Assert.Contains("| W1 warm epoch, verified | ≥ 0.70 × | 13,333 files/s (1.00 ×) |", ReportWriter.Markdown(rows, machine), StringComparison.Ordinal);
    }

    private void AddWarm(string target, params double[] seconds)
    {
        foreach (double one in seconds) _results.Add(LocalPhases.Warm, "w1", target, "verified", 1, one, new() { ["files"] = 20_000 });
    }

    private Row Row(string measure) => new Table(_results, _options).Build().Single(row => row.Measure == measure);
}
