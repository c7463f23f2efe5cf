using System.Text;
using System.Xml;
using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;

namespace DataLayer.Sources.Tests;

/// <summary>Listings from servers that are slow, broken or hostile.</summary>
public sealed class S3ListFaultTests : IAsyncLifetime
{
    readonly FaultyS3Server _server = new() { PageLimit = 10 };
    S3Source _source = null!;

    public Task InitializeAsync()
    {
        for (int i = 0; i < 100; i++) _server.Put($"data/dir{i / 7}/file{i:d3}", [1]);
        _source = TestSources.Open(_server, "data", new SourceOptions { RequestTimeout = TimeSpan.FromSeconds(1), ReadDeadline = TimeSpan.FromSeconds(3) });
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _source.DisposeAsync();
        await _server.DisposeAsync();
    }

    static bool IsList(S3Call call) => call.Kind is S3CallKind.List or S3CallKind.ListVersions;

    async Task<SourceException> AssertFaultAsync(SourceFault fault)
    {
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ListAsync(_source));
        Assert.Equal(fault, e.Fault);
        return e;
    }

    static S3Fault Answer(string xml) => new() { Body = Encoding.UTF8.GetBytes(xml) };

    static string Page(string rows, bool truncated = false) => $"<ListBucketResult><IsTruncated>{(truncated ? "true" : "false")}</IsTruncated>{rows}</ListBucketResult>";

    static string Row(string key) => $"<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"0123456789abcdef0123456789abcdef\"</ETag><Size>1</Size></Contents>";

    [Fact]
    public async Task Passing_faults_cost_no_key()
    {
        int number = 0;
        _server.OnCall = call => !IsList(call) ? null : (Interlocked.Increment(ref number) % 12) switch
        {
            1 => S3Fault.SlowDown(),
            3 => new S3Fault { ResetAfter = 500 },
            5 => new S3Fault { CloseAfter = 700 },
            7 => Answer("<html>gateway</html>"),
            9 => new S3Fault { Drop = true },
            _ => null,
        };
        await using S3Source patient = TestSources.Open(_server, "data");
        Assert.Equal(100, (await TestSources.ListAsync(patient)).Count);
    }

    [Fact]
    public async Task A_truncated_document_is_fetched_again_and_never_taken_for_the_end()
    {
        int number = 0;
        _server.OnCall = call => IsList(call) && Interlocked.Increment(ref number) == 1 ? Answer("<ListBucketResult><IsTruncated>false</IsTruncated>" + Row("data/a")) : null;
        Assert.Equal(100, (await TestSources.ListAsync(_source)).Count);
    }

    [Fact]
    public async Task A_slow_listing_completes()
    {
        _server.OnCall = call => IsList(call) ? new S3Fault { Delay = TimeSpan.FromMilliseconds(100) } : null;
        Assert.Equal(100, (await TestSources.ListAsync(_source)).Count);
    }

    [Fact]
    public async Task A_server_whose_listing_never_ends_is_given_up()
    {
        int number = 0;
        _server.OnCall = call => IsList(call) ? Answer($"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{Interlocked.Increment(ref number)}</NextContinuationToken>{Row("data/a")}</ListBucketResult>") : null;
        Assert.Contains("never come to an end", (await AssertFaultAsync(SourceFault.Unavailable)).Message);
        Assert.InRange(number, 2, 2000);
    }

    [Fact]
    public async Task A_repeated_token_is_given_up_at_once()
    {
        _server.OnCall = call => IsList(call) ? Answer("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>") : null;
        await AssertFaultAsync(SourceFault.Unavailable);
        Assert.InRange(_server.Counts.List, 1, 5);
    }

    [Fact]
    public async Task Empty_pages_on_the_way_are_passed_by_the_servers_token()
    {
        _server.OnCall = call => call.Kind == S3CallKind.List && call.NumberOfKind == 1
            ? Answer($"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{Convert.ToHexString("data/"u8)}</NextContinuationToken></ListBucketResult>") : null;
        Assert.Equal(100, (await TestSources.ListAsync(_source)).Count);
    }

    [Fact]
    public async Task Keys_outside_the_prefix_are_not_accepted()
    {
        _server.OnCall = call => IsList(call) ? Answer(Page(Row("other/a"))) : null;
        Assert.Contains("not asked for", (await AssertFaultAsync(SourceFault.Unavailable)).Message);
    }

    [Fact]
    public async Task Unordered_keys_are_accepted_on_the_only_page_and_not_on_one_of_many()
    {
        _server.OnCall = call => IsList(call) ? Answer(Page(Row("data/b") + Row("data/a"))) : null;
        Assert.Equal(["a", "b"], (await TestSources.ListAsync(_source)).Keys.Order());
        _server.OnCall = call => IsList(call) ? Answer(Page(Row("data/b") + Row("data/a"), truncated: true)) : null;
        Assert.Contains("out of byte order", (await AssertFaultAsync(SourceFault.Unavailable)).Message);
    }

    [Fact]
    public async Task A_page_without_end_is_cut_off()
    {
        byte[] page = Encoding.UTF8.GetBytes(Page(string.Concat(Enumerable.Repeat(Row("data/" + new string('x', 1000)), 20_000))));
        _server.OnCall = call => IsList(call) ? new S3Fault { Body = page } : null;
        Assert.Contains("16 MiB", (await AssertFaultAsync(SourceFault.Unavailable)).Message);
    }

    [Theory]
    [InlineData(403, "AccessDenied", SourceFault.Denied)]
    [InlineData(404, "NoSuchBucket", SourceFault.Misconfigured)]
    [InlineData(301, "PermanentRedirect", SourceFault.Misconfigured)]
    [InlineData(501, "NotImplemented", SourceFault.Unavailable)]
    public async Task A_refused_listing_says_why(int status, string code, SourceFault fault)
    {
        _server.OnCall = call => IsList(call) ? S3Fault.Refuse(status, code) : null;
        Assert.Contains(_server.Bucket, (await AssertFaultAsync(fault)).Message);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(501)]
    public async Task A_server_without_versioning_is_listed_by_keys(int status)
    {
        _server.OnCall = call => call.Kind == S3CallKind.Versioning ? S3Fault.Refuse(status, "NotImplemented") : null;
        Assert.Equal(100, (await TestSources.ListAsync(_source)).Count);
        Assert.Equal(0, _server.Counts.ListVersions);
    }

    [Fact]
    public async Task Without_permission_to_list_versions_keys_are_listed()
    {
        _server.Versioning = "Enabled";
        _server.OnCall = call => call.Kind == S3CallKind.ListVersions ? S3Fault.Refuse(403, "AccessDenied") : null;
        Assert.Equal(100, (await TestSources.ListAsync(_source)).Count);
    }

    [Fact]
    public async Task A_server_without_url_encoding_is_understood()
    {
        _server.IgnoreEncodingType = true;
        _server.Put("data/a+b %41 é", [1]);
        Assert.Contains(TestSources.Text("a+b %41 é"), (await TestSources.ListAsync(_source)).Keys);
    }

    [Fact]
    public async Task Markers_and_the_roots_own_marker_are_listed()
    {
        await using FaultyS3Server server = new();
        server.Put("data/", []);
        server.Put("data/empty/", []);
        await using S3Source source = TestSources.Open(server, "data");
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(["", "empty/"], entries.Keys.Order());
        Assert.Equal(EntryKind.Directory, entries[""].Kind);
        Assert.Equal((EntryKind.File, 0), (entries["empty/"].Kind, entries["empty/"].Size));
    }

    [Fact]
    public async Task An_empty_prefix_lists_nothing()
    {
        await using S3Source source = TestSources.Open(_server, "nothing/here");
        Assert.Empty(await TestSources.ListAsync(source));
    }

    [Fact]
    public async Task A_consumer_that_stops_stops_the_requests()
    {
        for (int i = 0; i < 20_000; i++) _server.Put($"data/more/{i:d6}", [1]);
        await foreach (IReadOnlyList<SourceEntry> _ in _source.ListAsync(CancellationToken.None)) break;
        int before = _server.Counts.List;
        Assert.InRange(before, 1, 500);
        // The source is at rest and usable again.
        Assert.Equal(20_100, (await TestSources.ListAsync(_source)).Count);
    }

    public static TheoryData<string> NotListings =>
    [
        "", "x", "<a/>", "<ListBucketResult>", "<ListBucketResult><Contents></ListBucketResult>", "<ListBucketResult><Contents/></ListBucketResult>",
        "<!DOCTYPE x [<!ENTITY e \"e\">]><ListBucketResult>&e;</ListBucketResult>", "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><ETag>e</ETag><Size>-1</Size></Contents></ListBucketResult>", "<ListBucketResult><Contents><Key>k</Key><ETag>e</ETag><Size>99999999999999999999</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><ETag>e\ne</ETag><Size>1</Size></Contents></ListBucketResult>", "<ListBucketResult><Contents><Key></Key><ETag>e</ETag><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><ETag>" + new string('e', 3000) + "</ETag><Size>1</Size></Contents></ListBucketResult>",
    ];

    [Theory]
    [MemberData(nameof(NotListings))]
    public void What_is_no_listing_is_no_listing(string text)
    {
        byte[] body = Encoding.UTF8.GetBytes(text);
        Assert.ThrowsAny<XmlException>(() => ListPage.Parse(body, body.Length));
    }

    [Fact]
    public void Damaged_pages_throw_nothing_but_xml_exceptions()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        byte[] good = Encoding.UTF8.GetBytes(Page(string.Concat(Enumerable.Range(0, 5).Select(i => Row($"data/{i}"))) + "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><EncodingType>url</EncodingType>"));
        for (int i = 0; i < 20_000; i++)
        {
            byte[] damaged = [.. good];
            for (int n = random.Next(1, 4); n > 0; n--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                ListPage.Parse(damaged, random.Next(4) == 0 ? random.Next(damaged.Length) : damaged.Length);
            }
            catch (XmlException)
            {
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, round {i}: {e}");
            }
        }
    }
}
