using Xunit;
using static DataLayer.Formats.Tests.ListedSource;

namespace DataLayer.Formats.Tests;

public sealed class JoinTests : BuilderTests
{
    [Fact]
    public async Task Sources_stand_at_their_sub_paths_and_keep_their_keys()
    {
        using Manifest manifest = await BuildJoined(
            [("test://root", "", [File("x/a"), File("top")]), ("test://deep", "x/y/", [File("b", tag: "B"), Directory("", mtime: 11)]), ("test://side", "/z", [File("c/d")])]);
        Assert.Equal(["top", "x/", "z/", "x/a", "x/y/", "z/c/", "x/y/b", "z/c/d"], Paths(manifest));
        Assert.Equal([new ManifestSource("test://root", ""), new ManifestSource("test://deep", "x/y"), new ManifestSource("test://side", "z")], manifest.Sources);
        EntryIndex b = ManifestModel.Resolve(manifest, "x/y/b");
        Assert.Equal(1, manifest.Get(b).Source);
        Assert.Equal("b"u8.ToArray(), manifest.GetSourceFile(b).Key);
        Assert.Equal("B"u8.ToArray(), manifest.GetSourceFile(b).VersionTag);
        Assert.Equal("c/d"u8.ToArray(), manifest.GetSourceFile(ManifestModel.Resolve(manifest, "z/c/d")).Key);
        Assert.Equal(11, manifest.Get(ManifestModel.Resolve(manifest, "x/y")).MtimeNs);
    }

    [Fact]
    public async Task Below_a_deeper_source_nothing_of_the_others_is_visible()
    {
        using Manifest manifest = await BuildJoined(
            [("test://root", "", [File("x/y/hidden"), File("x/y"), Directory("x/y"), File("x/yy"), File("x/y2/a")]), ("test://deep", "x/y", [File("b")])]);
        Assert.Equal(["x/", "x/y/", "x/y2/", "x/yy", "x/y/b", "x/y2/a"], Paths(manifest));
        Assert.Equal(
            ["0 x/y: is hidden by the source joined there", "0 x/y: is hidden by the source joined there", "0 x/y/hidden: is hidden by the source joined there"],
            LeftOut(manifest));
    }

    [Fact]
    public async Task A_file_where_a_sub_path_needs_a_directory_is_recorded()
    {
        using Manifest manifest = await BuildJoined([("test://root", "", [File("x")]), ("test://deep", "x/y", [])]);
        Assert.Equal(["x/", "x/y/"], Paths(manifest));
        Assert.Equal(["0 x: is also a directory, which wins"], LeftOut(manifest));
    }

    [Fact]
    public async Task A_source_joined_twice_has_the_same_blocks_and_other_nodes()
    {
        using Manifest manifest = await BuildJoined([("test://a", "p", [File("f")]), ("test://a", "q", [File("f")])]);
        EntryIndex p = ManifestModel.Resolve(manifest, "p/f"), q = ManifestModel.Resolve(manifest, "q/f");
        Assert.Equal(manifest.Locate(p).BlockFile, manifest.Locate(q).BlockFile);
        Assert.NotEqual(manifest.Locate(p).Pack, manifest.Locate(q).Pack);
        Assert.NotEqual(manifest.Get(p).Node, manifest.Get(q).Node);
    }

    [Fact]
    public async Task Keys_with_the_sub_path_may_not_exceed_a_path()
    {
        string key = string.Join('/', Enumerable.Repeat(new string('n', 255), 15)) + "/" + new string('m', 255);
        using Manifest manifest = await BuildJoined([("test://a", "p", [File(key)])]);
        Assert.Equal(["p/"], Paths(manifest));
        Assert.Equal([$"0 {key}: makes a path longer than 4095 bytes"], LeftOut(manifest));
    }

    [Theory]
    [InlineData("a/../b", "'.' or '..'")]
    [InlineData("a//b", "empty path component")]
    [InlineData("a\0", "NUL")]
    public async Task A_sub_path_that_cannot_be_one_is_refused(string subPath, string reason)
    {
        ArgumentException fault = await Assert.ThrowsAsync<ArgumentException>(() => BuildJoined([("test://a", subPath, [])]));
        Assert.Contains(reason, fault.Message);
    }

    [Fact]
    public async Task The_same_sub_path_twice_is_refused()
    {
        ArgumentException fault = await Assert.ThrowsAsync<ArgumentException>(() => BuildJoined([("test://a", "x", []), ("test://b", "/x/", [])]));
        Assert.Contains("Two sources are joined at", fault.Message);
    }

    [Fact]
    public async Task No_source_is_refused() =>
        await Assert.ThrowsAsync<ArgumentException>(() => BuildJoined([]));

    [Fact]
    public async Task Packs_do_not_span_sources()
    {
        using Manifest manifest = await BuildJoined([("test://a", "p", [File("f1"), File("f2")]), ("test://b", "q", [File("f1"), File("f2")])]);
        for (int pack = 0; pack < manifest.PackCount; pack++)
            Assert.Single(manifest.GetPackFiles(pack).Select(file => manifest.Get(file.Entry).Source).Distinct());
    }
}
