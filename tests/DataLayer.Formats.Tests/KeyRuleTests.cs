using Xunit;
using static DataLayer.Formats.Tests.ListedSource;

namespace DataLayer.Formats.Tests;

public sealed class KeyRuleTests : BuilderTests
{
    [Theory]
    [InlineData("a//b", "has an empty path component")]
    [InlineData("/a", "has an empty path component")]
    [InlineData("/", "has an empty path component")]
    [InlineData("a/./b", "has a path component '.' or '..'")]
    [InlineData(".", "has a path component '.' or '..'")]
    [InlineData("..", "has a path component '.' or '..'")]
    [InlineData("../../etc/passwd", "has a path component '.' or '..'")]
    [InlineData("a/..", "has a path component '.' or '..'")]
    [InlineData("a\0b", "holds a NUL byte")]
    [InlineData("", "has an empty path component")]
    public async Task A_key_that_POSIX_cannot_hold_is_left_out_and_recorded(string key, string reason)
    {
        using Manifest manifest = await Build([File(key), File("kept")]);
        Assert.Equal(["kept"], Paths(manifest));
        Assert.Equal([$"0 {key}: {reason}"], LeftOut(manifest));
    }

    [Fact]
    public async Task Names_of_255_and_paths_of_4095_bytes_are_the_longest()
    {
        string name = new('n', 255);
        string path = string.Join('/', Enumerable.Repeat(name, 15)) + "/" + new string('m', 255);
        Assert.Equal(4095, path.Length);
        using Manifest manifest = await Build([File(path), File(path + "x"), File(name + "x"), File($"a/{path[1..]}")]);
        Assert.Equal(path, Paths(manifest)[^1]);
        Assert.Equal(16, manifest.EntryCount - 1);
        Assert.Equal(path, ManifestModel.Text(manifest.GetSourceFile(new EntryIndex(16)).Key));
        Assert.Equal(
            [(256, "has a path component longer than 255 bytes"), (4096, "makes a path longer than 4095 bytes"), (4096, "makes a path longer than 4095 bytes")],
            manifest.ReadUnrepresentable().Select(key => (key.Key.Length, key.Reason)));
    }

    [Fact]
    public async Task A_key_that_is_a_file_and_a_directory_is_a_directory()
    {
        using Manifest manifest = await Build([File("a"), File("a/b"), File("m"), File("m/", size: 0), Symlink("l", "x"), File("l/y/z")]);
        Assert.Equal(["a/", "l/", "m/", "a/b", "l/y/", "l/y/z"], Paths(manifest));
        Assert.Equal(["0 a: is also a directory, which wins", "0 l: is also a directory, which wins", "0 m: is also a directory, which wins"], LeftOut(manifest));
    }

    [Fact]
    public async Task Zero_byte_markers_become_directories_that_have_the_time_of_their_newest_file()
    {
        using Manifest manifest = await Build(
            [File("empty/", size: 0, mtime: 9), File("d/", size: 0, mtime: 99), File("d/a", mtime: 5), File("d/b", mtime: 7), File("d/sub/newer", mtime: 50), File("", size: 0)]);
        Assert.Equal(["d/", "empty/", "d/a", "d/b", "d/sub/", "d/sub/newer"], Paths(manifest));
        Assert.Empty(LeftOut(manifest));
        Assert.Equal(7, manifest.Get(ManifestModel.Resolve(manifest, "d")).MtimeNs);
        Assert.Equal(50, manifest.Get(ManifestModel.Resolve(manifest, "d/sub")).MtimeNs);
        Assert.Equal(0, manifest.Get(ManifestModel.Resolve(manifest, "empty")).MtimeNs);
        Assert.Equal(0, manifest.Get(EntryIndex.Root).MtimeNs);
    }

    [Fact]
    public async Task A_marker_with_content_is_left_out_and_does_not_make_a_directory()
    {
        using Manifest manifest = await Build([File("d/", size: 3), File("e/", size: 3), File("e/f")]);
        Assert.Equal(["e/", "e/f"], Paths(manifest));
        Assert.Equal(["0 d/: ends in '/' but has content", "0 e/: ends in '/' but has content"], LeftOut(manifest));
    }

    [Fact]
    public async Task Of_a_key_listed_twice_the_newest_wins_in_any_order()
    {
        SourceEntry older = File("a", size: 1, mtime: 1), newer = File("a", size: 2, mtime: 2);
        foreach (SourceEntry[] listing in (SourceEntry[][])[[older, newer], [newer, older]])
        {
            using Manifest manifest = await Build(listing);
            Assert.Equal(2, manifest.Get(new EntryIndex(1)).Size);
            Assert.Equal(["0 a: is listed more than once; another version won"], LeftOut(manifest));
        }
    }

    [Fact]
    public async Task A_marker_listed_twice_is_recorded_with_its_slash()
    {
        using Manifest manifest = await Build([File("d/", size: 0), File("d/", size: 0)]);
        Assert.Equal(["d/"], Paths(manifest));
        Assert.Equal(["0 d/: is listed more than once; another version won"], LeftOut(manifest));
    }

    [Fact]
    public async Task Sockets_devices_and_pipes_are_reported_with_what_they_are()
    {
        SourceEntry socket = File("run/s") with { Kind = EntryKind.Unsupported, Remark = "socket" };
        using Manifest manifest = await Build([socket, socket with { Key = Bytes("x"), Remark = null }]);
        Assert.Empty(Paths(manifest));
        Assert.Equal(["0 x: is neither directory, file nor symlink", "0 run/s: is a socket"], LeftOut(manifest));
    }

    [Fact]
    public async Task Symlinks_keep_their_targets_and_impossible_targets_are_left_out()
    {
        string longest = new('t', 4095);
        using Manifest manifest = await Build(
            [Symlink("a", "../\xFF\n"), Symlink("b", ""), Symlink("c", "x\0y"), Symlink("d", longest), Symlink("e", longest + "t"), Symlink("f/", "x")]);
        Assert.Equal(["a", "d"], Paths(manifest));
        Assert.Equal("../\xFF\n", ManifestModel.Text(manifest.GetLinkTarget(new EntryIndex(1))));
        Assert.Equal(longest, ManifestModel.Text(manifest.GetLinkTarget(new EntryIndex(2))));
        Assert.Equal(4, manifest.UnrepresentableCount);
    }

    [Theory]
    [InlineData(-1, 0, 0, 0)]
    [InlineData(1, 4096, 0, 0)]
    [InlineData(1, -2, 0, 0)]
    [InlineData(1, 0, 1L << 32, 0)]
    [InlineData(1, 0, -2, 0)]
    [InlineData(1, 0, 0, uint.MaxValue)]
    public async Task Attributes_out_of_range_are_recorded(long size, int mode, long uid, long gid)
    {
        using Manifest manifest = await Build([File("bad", size) with { Mode = mode, Uid = uid, Gid = gid }, File("good", long.MaxValue) with { Mode = 0xFFF, Uid = uint.MaxValue - 1L, Gid = -1 }]);
        Assert.Equal(["0 bad: has attributes out of range"], LeftOut(manifest));
        ManifestEntry good = manifest.Get(new EntryIndex(1));
        Assert.Equal((long.MaxValue, 0xFFF, uint.MaxValue - 1L, -1L), (good.Size, good.Mode, good.Uid, good.Gid));
    }

    [Fact]
    public async Task Sizes_that_sum_up_beyond_64_bits_saturate()
    {
        using Manifest manifest = await Build([File("a", long.MaxValue), File("b", long.MaxValue)]);
        Assert.Equal(long.MaxValue, manifest.TotalBytes);
    }

    [Fact]
    public async Task A_version_tag_over_2_KiB_is_out_of_range()
    {
        using Manifest manifest = await Build([File("a", tag: new string('x', 2048)), File("b", tag: new string('x', 2049))]);
        Assert.Equal(2048, manifest.GetSourceFile(new EntryIndex(1)).VersionTag.Length);
        Assert.Equal(["0 b: has attributes out of range"], LeftOut(manifest));
    }

    [Fact]
    public async Task Beyond_its_limit_the_report_counts_only_and_keeps_the_same_keys_in_any_order()
    {
        List<SourceEntry> listing = [.. Enumerable.Range(0, 100).Select(i => File($"//{i:d3}"))];
        using Manifest manifest = await Build(listing, new() { ReportLimit = 10 });
        Assert.Equal(100, manifest.UnrepresentableCount);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"//{i:d3}"), manifest.ReadUnrepresentable().Select(key => ManifestModel.Text(key.Key)));
        using Manifest shuffled = await Build(RandomListing.Shuffled(new Random(1), listing), new() { ReportLimit = 10 }, "n");
        Assert.Equal(manifest.Id, shuffled.Id);
    }

    [Fact]
    public async Task A_key_of_any_length_is_recorded_whole()
    {
        string key = new('k', 100_000);
        using Manifest manifest = await Build([File(key)]);
        Assert.Equal(key, ManifestModel.Text(Assert.Single(manifest.ReadUnrepresentable()).Key));
    }
}
