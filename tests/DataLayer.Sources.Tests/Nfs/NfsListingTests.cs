using DataLayer.Formats;
using DataLayer.TestKit.Nfs;

namespace DataLayer.Sources.Tests.Nfs;

/// <summary>What nfs-ganesha exports, against what the local directory source sees of the same tree.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class NfsListingTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_random_tree_lists_and_reads_as_it_does_on_its_own_machine(int version)
    {
        int seed = Random.Shared.Next();
        try
        {
            Random random = new(seed);
            await using GaneshaServer server = await GaneshaServer.StartAsync();
            Dictionary<string, byte[]> contents = NfsTrees.Make(server.Export, random, 600);
            await using ISource local = SourceFactory.Open(server.Export, new SourceOptions());
            await using ISource remote = SourceFactory.Open(server.Uri(version), new SourceOptions());
            Dictionary<string, SourceEntry> expected = await TestSources.ListAsync(local);
            Dictionary<string, SourceEntry> found = await TestSources.ListAsync(remote);

            Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), found.Keys.Order(StringComparer.Ordinal));
            foreach ((string key, SourceEntry entry) in expected)
            {
                SourceEntry other = found[key];
                Assert.Equal((entry.Kind, entry.Size, entry.MtimeNs, entry.Mode, entry.Uid, entry.Gid, entry.Remark), (other.Kind, other.Size, other.MtimeNs, other.Mode, other.Uid, other.Gid, other.Remark));
                Assert.Equal(entry.LinkTarget, other.LinkTarget);
                Assert.Equal(entry.VersionTag, other.VersionTag);
            }

            await Parallel.ForEachAsync(contents, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (file, _) =>
            {
                Assert.Equal(file.Value, await TestSources.ReadAsync(remote, found[file.Key]));
                int offset = file.Value.Length / 3, length = file.Value.Length / 2;
                Assert.Equal(file.Value[offset..(offset + length)], await TestSources.ReadAsync(remote, found[file.Key], offset, length));
            });
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Seed {seed}", e);
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_directory_of_many_pages_lists_every_name_once(int version)
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        const int Files = 6000;
        for (int i = 0; i < Files; i++) File.WriteAllBytes($"{server.Export}/file-with-a-rather-long-name-to-fill-pages-{i}", []);
        Directory.CreateDirectory(server.Export + "/empty");
        await using ISource source = SourceFactory.Open(server.Uri(version), new SourceOptions());
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(Files + 2, entries.Count);
        Assert.Equal(EntryKind.Directory, entries["empty"].Kind);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_path_below_the_export_is_a_source_of_its_own(int version)
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        Directory.CreateDirectory(server.Export + "/a/b c");
        File.WriteAllText(server.Export + "/a/b c/file", "text");
        await using ISource source = SourceFactory.Open(server.Uri(version, "/a//b%20c/"), new SourceOptions());
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(["", "file"], entries.Keys.Order());
        Assert.Equal("text"u8.ToArray(), await TestSources.ReadAsync(source, entries["file"]));
        Assert.StartsWith(server.Uri(version).Split('?')[0] + "/a/b c?", source.Identity);
    }

    [Fact]
    public async Task Owners_by_name_become_this_machines_numbers()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync(numericOwners: false);
        File.WriteAllText(server.Export + "/mine", "");
        await using ISource source = SourceFactory.Open(server.Uri(4), new SourceOptions());
        SourceEntry entry = (await TestSources.ListAsync(source))["mine"];
        Assert.Equal((0, 0), (entry.Uid, entry.Gid));
    }

    [Fact]
    public async Task What_the_servers_user_may_not_read_is_listed_as_unsupported_and_refused()
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        Directory.CreateDirectory(server.Export + "/closed", UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.WriteAllText(server.Export + "/secret", "text");
        File.SetUnixFileMode(server.Export + "/secret", UnixFileMode.UserRead);
        File.SetUnixFileMode(server.Export, (UnixFileMode)0x1ed);
        await using ISource source = SourceFactory.Open(server.SquashedUri, new SourceOptions());
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(["", "closed", "secret"], entries.Keys.Order());
        Assert.Equal((EntryKind.Unsupported, "directory without permission to read it"), (entries["closed"].Kind, entries["closed"].Remark));
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => TestSources.ReadAsync(source, entries["secret"]));
        Assert.Equal(SourceFault.Denied, e.Fault);
        Assert.Contains("secret in nfs://", e.Message);
    }
}
