using System.Security.Cryptography;
using DataLayer.Formats;
using DataLayer.Sources.S3;
using DataLayer.TestKit.S3;

namespace DataLayer.Sources.Tests;

/// <summary>What a source promises when a server misbehaves: right bytes or a fault that says why, within bounds.</summary>
public sealed class S3ReadFaultTests : IAsyncLifetime
{
    static readonly SourceOptions Quick = new() { RequestTimeout = TimeSpan.FromSeconds(1), ReadDeadline = TimeSpan.FromSeconds(30) };

    readonly FaultyS3Server _server = new();
    readonly byte[] _body = TestSources.Bytes(new Random(7), 300_000);
    S3Source _source = null!;
    SourceEntry _entry;

    public async Task InitializeAsync()
    {
        _server.Put("data/object", _body);
        await OpenAsync(Quick);
    }

    async Task OpenAsync(SourceOptions options)
    {
        if (_source is { } open) await open.DisposeAsync();
        _source = TestSources.Open(_server, "data", options);
        _entry = (await TestSources.ListAsync(_source))["object"];
        _server.ResetCounts();
    }

    public async Task DisposeAsync()
    {
        await _source.DisposeAsync();
        await _server.DisposeAsync();
    }

    /// <summary>The first <paramref name="times"/> GETs get the fault.</summary>
    void Fault(int times, Func<S3Fault> fault) => _server.OnCall = call => call.Kind == S3CallKind.Get && call.NumberOfKind <= times ? fault() : null;

    async Task AssertReadsAsync(int gets)
    {
        Assert.Equal(_body, await TestSources.ReadAsync(_source, _entry));
        Assert.Equal(gets, _server.Counts.Get);
        Assert.Equal(0, _server.Counts.Head);
    }

    async Task<SourceException> AssertFaultAsync(SourceFault fault)
    {
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(_source, _entry));
        Assert.Equal(fault, e.Fault);
        Assert.DoesNotContain('\n', e.Message);
        Assert.DoesNotContain(_server.SecretKey, e.ToString());
        return e;
    }

    public static TheoryData<int, string> Transient => new()
    {
        { 429, "TooManyRequests" }, { 500, "InternalError" }, { 502, "" }, { 503, "SlowDown" }, { 504, "" }, { 400, "RequestTimeout" }, { 408, "" },
    };

    [Theory]
    [MemberData(nameof(Transient))]
    public async Task A_passing_refusal_is_retried(int status, string code)
    {
        Fault(3, () => S3Fault.Refuse(status, code));
        await AssertReadsAsync(gets: 4);
    }

    [Fact]
    public async Task A_storm_of_503_over_many_readers_passes()
    {
        int left = 200;
        _server.OnCall = call => call.Kind == S3CallKind.Get && Interlocked.Decrement(ref left) >= 0 ? S3Fault.SlowDown(retryAfterSeconds: 0) : null;
        byte[][] all = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => TestSources.ReadAsync(_source, _entry)));
        Assert.All(all, bytes => Assert.Equal(_body, bytes));
        Assert.Equal(250, _server.Counts.Get);
    }

    [Fact]
    public async Task A_dropped_connection_is_retried()
    {
        Fault(2, () => new S3Fault { Drop = true });
        await AssertReadsAsync(gets: 3);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    [InlineData(299_999)]
    public async Task A_body_that_breaks_off_is_continued_where_it_stopped(int after)
    {
        Fault(1, () => new S3Fault { CloseAfter = after });
        await AssertReadsAsync(gets: 2);
        S3Call second = _server.Calls.Last();
        Assert.Equal(after == 0 ? null : $"bytes={after}-299999", second.Range);
        Assert.Equal($"\"{Convert.ToHexStringLower(MD5.HashData(_body))}\"", second.Headers["if-match"]);
    }

    [Fact]
    public async Task A_reset_in_the_midst_of_a_body_costs_no_byte()
    {
        Fault(5, () => new S3Fault { ResetAfter = 40_000 });
        Assert.Equal(_body, await TestSources.ReadAsync(_source, _entry));
    }

    [Fact]
    public async Task A_body_of_two_versions_is_never_put_together()
    {
        byte[] other = TestSources.Bytes(new Random(8), _body.Length);
        _server.OnCall = call =>
        {
            if (call.Kind != S3CallKind.Get) return null;
            if (call.NumberOfKind == 1) return new S3Fault { CloseAfter = 100_000 };
            _server.Put("data/object", other);
            // As s3rver does.
            return new S3Fault { IgnoreIfMatch = true };
        };
        await AssertFaultAsync(SourceFault.Changed);
    }

    [Fact]
    public async Task A_stalled_body_is_continued_over_another_connection()
    {
        Fault(1, () => new S3Fault { StallAfter = 123_456 });
        await AssertReadsAsync(gets: 2);
        Assert.Equal("bytes=123456-299999", _server.Calls.Last().Range);
    }

    [Fact]
    public async Task A_trickling_body_is_given_up_and_continued()
    {
        await OpenAsync(Quick with { RequestTimeout = TimeSpan.FromMilliseconds(300) });
        Fault(1, () => new S3Fault { Trickle = 1 });
        await AssertReadsAsync(gets: 2);
    }

    [Fact]
    public async Task A_late_answer_is_given_up_and_asked_for_again()
    {
        Fault(1, () => new S3Fault { Delay = TimeSpan.FromSeconds(20) });
        await AssertReadsAsync(gets: 2);
    }

    [Theory]
    [InlineData(299_999L)]
    [InlineData(1L)]
    [InlineData(300_001L)]
    public async Task A_wrong_content_length_is_not_believed(long length)
    {
        Fault(1, () => new S3Fault { ContentLength = length });
        await AssertReadsAsync(gets: 2);
    }

    [Fact]
    public async Task A_corrupted_body_is_fetched_again()
    {
        Fault(3, () => new S3Fault { Corrupt = true });
        await AssertReadsAsync(gets: 4);
    }

    [Theory]
    [InlineData("x-amz-checksum-crc64nvme")]
    [InlineData("x-amz-checksum-crc32c")]
    [InlineData("x-oss-hash-crc64ecma")]
    public async Task A_corrupted_body_of_an_object_with_a_checksum_is_fetched_again(string header)
    {
        string value = header switch
        {
            "x-amz-checksum-crc64nvme" => Convert.ToBase64String(Big(Crc64.Nvme.ComputeByTable(_body))),
            "x-amz-checksum-crc32c" => Convert.ToBase64String(Big(Crc32C.Compute(_body))[4..]),
            _ => $"{Crc64.Xz.ComputeByTable(_body)}",
        };
        // Not an MD5: the checksum alone decides.
        _server.Put("data/object", _body, "0123456789abcdef0123456789abcdef-3", $"{header}: {value}");
        await OpenAsync(Quick);
        Fault(2, () => new S3Fault { Corrupt = true });
        await AssertReadsAsync(gets: 3);
    }

    static byte[] Big(ulong value)
    {
        byte[] bytes = new byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    [Fact]
    public async Task An_etag_that_is_no_md5_is_found_out_and_costs_two_requests_a_few_times_only()
    {
        for (int i = 0; i < 10; i++) _server.Put($"data/{i}", _body, $"{i:d32}");
        await OpenAsync(Quick);
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(_source);
        int gets = 0;
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(_body, await TestSources.ReadAsync(_source, entries[$"{i}"]));
            Assert.Equal(gets += i < 4 ? 2 : 1, _server.Counts.Get);
        }
    }

    [Fact]
    public async Task An_etag_of_a_kms_encrypted_object_is_not_taken_for_an_md5()
    {
        _server.Put("data/object", _body, "0123456789abcdef0123456789abcdef", "x-amz-server-side-encryption: aws:kms");
        await OpenAsync(Quick);
        await AssertReadsAsync(gets: 1);
    }

    [Fact]
    public async Task A_body_damaged_differently_each_time_is_never_returned()
    {
        await OpenAsync(Quick with { ReadDeadline = TimeSpan.FromSeconds(2) });
        Fault(int.MaxValue, () => new S3Fault { Corrupt = true });
        await AssertFaultAsync(SourceFault.Unavailable);
    }

    [Fact]
    public async Task Verification_can_be_switched_off()
    {
        await OpenAsync(Quick with { VerifyBodies = false });
        Fault(1, () => new S3Fault { Corrupt = true });
        byte[] read = await TestSources.ReadAsync(_source, _entry);
        Assert.Equal(1, read.Zip(_body).Count(p => p.First != p.Second));
        Assert.False(_server.Calls.Last().Headers.ContainsKey("x-amz-checksum-mode"));
    }

    [Fact]
    public async Task An_object_overwritten_since_the_listing_is_changed()
    {
        _server.Put("data/object", TestSources.Bytes(new Random(9), 300_000));
        SourceException e = await AssertFaultAsync(SourceFault.Changed);
        Assert.Contains("s3://test-bucket/data/object", e.Message);
    }

    [Fact]
    public async Task An_object_overwritten_behind_a_server_that_ignores_if_match_is_changed()
    {
        _server.Put("data/object", TestSources.Bytes(new Random(9), 300_000));
        Fault(int.MaxValue, () => new S3Fault { IgnoreIfMatch = true });
        await AssertFaultAsync(SourceFault.Changed);
    }

    [Fact]
    public async Task An_object_deleted_since_the_listing_is_changed()
    {
        _server.Delete("data/object");
        await AssertFaultAsync(SourceFault.Changed);
    }

    [Fact]
    public async Task An_object_that_only_one_answer_calls_gone_or_changed_is_read()
    {
        Fault(1, () => S3Fault.Refuse(404, "NoSuchKey"));
        await AssertReadsAsync(gets: 2);
        _server.ResetCounts();
        Fault(1, () => new S3Fault { ETag = "0123456789abcdef0123456789abcdef" });
        await AssertReadsAsync(gets: 2);
    }

    [Fact]
    public async Task A_version_of_a_versioned_bucket_is_read_after_it_was_overwritten_and_deleted()
    {
        _server.Versioning = "Enabled";
        _server.Put("data/object", _body);
        await OpenAsync(Quick);
        _server.Put("data/object", [1, 2, 3]);
        await AssertReadsAsync(gets: 1);
        _server.Delete("data/object");
        Assert.Equal(_body, await TestSources.ReadAsync(_source, _entry));
        Assert.Contains("versionId=", _server.Calls.Last().Target);
    }

    [Fact]
    public async Task An_answer_without_an_etag_is_not_trusted()
    {
        Fault(1, () => new S3Fault { ETag = "" });
        await AssertReadsAsync(gets: 2);
    }

    [Fact]
    public async Task Upper_and_lower_case_of_an_md5_are_the_same_version()
    {
        Fault(1, () => new S3Fault { ETag = Convert.ToHexString(MD5.HashData(_body)) });
        await AssertReadsAsync(gets: 1);
    }

    [Fact]
    public async Task A_server_that_ignores_range_is_named()
    {
        await OpenAsync(Quick with { ReadDeadline = TimeSpan.FromSeconds(1) });
        Fault(int.MaxValue, () => new S3Fault { IgnoreRange = true });
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(_source, _entry, 10, 20));
        Assert.Equal(SourceFault.Unavailable, e.Fault);
        Assert.Contains("ignores Range", e.Message);
    }

    [Fact]
    public async Task Permission_denied_is_final_and_says_so()
    {
        Fault(int.MaxValue, () => S3Fault.Refuse(403, "AccessDenied"));
        SourceException e = await AssertFaultAsync(SourceFault.Denied);
        Assert.Contains("s3:GetObject", e.Message);
        Assert.Equal(1, _server.Counts.Get);
    }

    [Fact]
    public async Task A_wrong_secret_is_denied()
    {
        _server.SecretKey = "another";
        SourceException e = await AssertFaultAsync(SourceFault.Denied);
        Assert.Contains("SignatureDoesNotMatch", e.Message);
    }

    [Fact]
    public async Task The_right_region_is_named()
    {
        Fault(int.MaxValue, () => new S3Fault { Status = 301, Code = "PermanentRedirect", Headers = ["x-amz-bucket-region: eu-north-1"] });
        Assert.Contains("--region eu-north-1", (await AssertFaultAsync(SourceFault.Misconfigured)).Message);
    }

    [Fact]
    public async Task A_clock_that_is_wrong_is_put_right_by_the_servers()
    {
        _server.ClockOffset = TimeSpan.FromHours(-3);
        await AssertReadsAsync(gets: 2);
        await AssertReadsAsync(gets: 3);
    }

    [Fact]
    public async Task An_unreachable_server_is_unavailable_within_the_deadline()
    {
        await OpenAsync(Quick with { ReadDeadline = TimeSpan.FromSeconds(1) });
        await _server.DisposeAsync();
        SourceException e = await AssertFaultAsync(SourceFault.Unavailable);
        Assert.True(e.IsTransient);
        Assert.Contains($"127.0.0.1:{_server.Port}", e.Message);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_unavailable_within_the_deadline()
    {
        await OpenAsync(Quick with { RequestTimeout = TimeSpan.FromMilliseconds(300), ReadDeadline = TimeSpan.FromSeconds(1) });
        Fault(int.MaxValue, () => new S3Fault { Delay = TimeSpan.FromMinutes(5) });
        await AssertFaultAsync(SourceFault.Unavailable);
    }

    [Fact]
    public async Task The_callers_cancellation_ends_a_read()
    {
        Fault(int.MaxValue, () => new S3Fault { Delay = TimeSpan.FromMinutes(5) });
        using CancellationTokenSource stop = new();
        Task read = _source.ReadAsync(TestSources.File(_entry), 0, new byte[_body.Length], stop.Token).AsTask();
        while (_server.Counts.Get == 0) await Task.Delay(5);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
    }

    [Fact]
    public async Task Reads_keep_to_the_number_of_connections()
    {
        await OpenAsync(Quick with { MaxConnections = 3 });
        _server.OnCall = _ => new S3Fault { Delay = TimeSpan.FromMilliseconds(20) };
        await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => TestSources.ReadAsync(_source, _entry)));
        Assert.Equal(3, _server.PeakConcurrency);
    }

    [Fact]
    public async Task A_tag_that_no_object_store_made_is_refused()
    {
        foreach (byte[] tag in (byte[][])[[], [0], "a\"b"u8.ToArray(), "abc\0"u8.ToArray(), new byte[3000]])
        {
            SourceException e = await Assert.ThrowsAsync<SourceException>(() => _source.ReadAsync(new SourceFile("object"u8.ToArray(), 3, tag), 0, new byte[3], default).AsTask());
            Assert.Equal(SourceFault.Misconfigured, e.Fault);
        }
    }

    [Fact]
    public async Task Nothing_is_fetched_for_nothing()
    {
        await _source.ReadAsync(TestSources.File(_entry), 5, Memory<byte>.Empty, CancellationToken.None);
        Assert.Equal(0, _server.Counts.Get);
    }
}
