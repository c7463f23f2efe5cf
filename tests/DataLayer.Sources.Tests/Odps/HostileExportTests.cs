using System.Text.Json;
using DataLayer.Formats;

namespace DataLayer.Sources.Tests.Odps;

/// <summary>What a tenant may put into a bucket must not keep the plain files from being served.</summary>
public sealed class HostileExportTests(ExportedTables tables) : IClassFixture<ExportedTables>
{
    [Fact]
    public async Task A_file_with_a_broken_page_takes_the_views_away_and_is_named_with_its_offset()
    {
        byte[] broken = tables.Bytes("flat-1");
        for (int i = 2000; i < 2100; i++) broken[i] ^= 0x5a;
        await AssertOnlyViewsAreAbsentAsync(broken, offset: true);
    }

    [Fact]
    public async Task A_file_cut_off_or_with_a_broken_footer_takes_the_views_away()
    {
        byte[] whole = tables.Bytes("flat-1");
        await AssertOnlyViewsAreAbsentAsync(whole[..^100], offset: true);
        byte[] footer = [.. whole];
        footer.AsSpan(footer.Length - 60, 40).Fill(0xff);
        await AssertOnlyViewsAreAbsentAsync(footer, offset: true);
    }

    [Fact]
    public async Task Formats_without_rows_say_so()
    {
        await AssertOnlyViewsAreAbsentAsync("ORC is passed through"u8.ToArray(), offset: false, "orc files are not supported");
        await AssertOnlyViewsAreAbsentAsync("SEQ\u0006 too"u8.ToArray(), offset: false, "sequencefile files are not supported");
        await AssertOnlyViewsAreAbsentAsync([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], offset: true, "gzip");
    }

    async Task AssertOnlyViewsAreAbsentAsync(byte[] bad, bool offset, string? error = null)
    {
        MemorySource source = new();
        source.Put(ExportedTables.Name(0), tables.Bytes("flat-0"));
        source.Put(ExportedTables.Name(1), bad);
        List<string> told = [];
        await using OpenExport export = await OpenExport.ListAsync(source, notify: told.Add);
        Assert.Equal(2, export.Files.Length);
        Assert.Equal(bad, await export.ReadAsync(export.Files[1]));
        Assert.Equal(tables.Bytes("flat-0"), await export.ReadAsync(export.Files[0]));
        Assert.False(export.Has(".table/rows.jsonl"));
        JsonElement stats = await export.StatsAsync();
        JsonElement told1 = Assert.Single(stats.GetProperty("errors").EnumerateArray());
        Assert.Equal(ExportedTables.Name(1), told1.GetProperty("file").GetString());
        Assert.Equal(offset ? JsonValueKind.Number : JsonValueKind.Null, told1.GetProperty("offset").ValueKind);
        if (error is not null) Assert.Contains(error, told1.GetProperty("error").GetString());
        Assert.Contains(told, notice => notice.Contains("no row views"));
        // Not a matter of rows that nobody asked for.
        Assert.True(export.Has(".table/schema.json"));
    }

    [Fact]
    public async Task Random_damage_never_gives_other_rows_or_an_unexpected_fault()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        byte[] good = tables.Bytes("wider");
        for (int round = 0; round < 200; round++)
        {
            byte[] bad = [.. good];
            for (int i = random.Next(1, 6); i > 0; i--) bad[random.Next(bad.Length)] ^= (byte)random.Next(1, 256);
            MemorySource source = new();
            source.Put("x", bad);
            try
            {
                await using OpenExport export = await OpenExport.ListAsync(source);
                // Damage that still decodes is indexed as it is; the view is then what was indexed.
                if (export.Has(".table/rows.jsonl")) Assert.Equal(export.Entries[".table/rows.jsonl"].Size, (await export.ReadAsync(".table/rows.jsonl")).Length);
                Assert.Equal(bad, await export.ReadAsync(Assert.Single(export.Files)));
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}, round {round}: {e}");
            }
        }
    }

    [Fact]
    public async Task Tags_of_other_sources_are_refused_and_read_nothing()
    {
        MemorySource source = new();
        source.Put("x.tsv", "1\n");
        await using OpenExport export = await OpenExport.ListAsync(source);
        source.Reads.Clear();
        SourceEntry view = export.Entries[".table/rows.jsonl"];
        byte[][] tags = [[], [1, 2, 3], [(byte)'F'], [(byte)'V'], [(byte)'F', 200, 1, 0, 0, 0], [.. view.VersionTag[..33], 9, .. view.VersionTag[34..]], [.. view.VersionTag[..^1], 0x80]];
        foreach (byte[] tag in tags)
        {
            SourceException fault = await Assert.ThrowsAsync<SourceException>(async () => await export.Source.ReadAsync(new SourceFile(view.Key, view.Size, tag), 0, new byte[1], CancellationToken.None));
            Assert.Equal(SourceFault.Misconfigured, fault.Fault);
        }
        // Beyond the end of what the tag names.
        await Assert.ThrowsAsync<SourceException>(async () => await export.Source.ReadAsync(new SourceFile(view.Key, 1 << 20, view.VersionTag), view.Size, new byte[1], CancellationToken.None));
        Assert.Equal(0, source.BytesRead);
    }

    [Fact]
    public async Task A_table_directory_of_the_source_itself_is_hidden()
    {
        MemorySource source = new();
        source.Put("x.tsv", "1\n");
        source.Put(".table/stats.json", "forged");
        await using OpenExport export = await OpenExport.ListAsync(source);
        Assert.Equal("text", (await export.StatsAsync()).GetProperty("format").GetString());
    }
}
