using Xunit;
using static DataLayer.Formats.Tests.ListedSource;

namespace DataLayer.Formats.Tests;

public sealed class DeterminismTests : BuilderTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task The_order_of_arrival_does_not_change_a_byte(int seed)
    {
        Random random = new(seed);
        // With conflicts: each entry may come again with other attributes, and unrepresentable ones are among them.
        List<SourceEntry> listing = RandomListing.Make(random, 1000);
        listing.AddRange(listing.Where(_ => random.Next(5) == 0).Select(entry => entry with { MtimeNs = random.Next(3), Mode = random.Next(3) }).ToList());
        listing.AddRange(listing.Where(entry => random.Next(8) == 0 && entry.Key.Length < 1000).Select(entry => entry with { Key = [.. entry.Key, .. Bytes("/x")] }).ToList());
        listing.AddRange([File("a//b"), File("../x"), File("a//c")]);

        using Manifest first = await Build(listing, name: "first");
        Assert.True(first.UnrepresentableCount > 3);
        for (int round = 0; round < 5; round++)
        {
            using Manifest other = await Build(RandomListing.Shuffled(random, listing), name: "other");
            Assert.Equal(first.Id, other.Id);
            Assert.Equal(Content("first"), Content("other"));
        }
    }

    [Fact]
    public async Task A_tiny_memory_budget_gives_the_same_bytes()
    {
        Random random = new(5);
        List<SourceEntry> listing = RandomListing.Make(random, 6000);
        listing.AddRange(Enumerable.Range(0, 3000).Select(i => File($"//{i}")));
        using Manifest roomy = await Build(listing, name: "roomy");
        using Manifest tight = await Build(RandomListing.Shuffled(random, listing), new() { MemoryBudget = 1 << 16 }, "tight");
        Assert.Equal(Content("roomy"), Content("tight"));
    }

    [Fact]
    public async Task An_unchanged_refresh_is_the_same_snapshot()
    {
        List<SourceEntry> listing = RandomListing.Make(new Random(6), 500);
        using Manifest first = await Build(listing, name: "first");
        using Manifest second = await Build(listing, new() { Previous = Scratch["first"] }, "second");
        Assert.Equal(first.Id, second.Id);
    }

    [Fact]
    public async Task A_refresh_inherits_the_layout_and_relayout_changes_it()
    {
        LayoutParameters unusual = new() { PackThreshold = 1000, PackTarget = 5000, PackLimit = 20_000, SliceSize = 1 << 20 };
        (await Build([File("a")], new() { Layout = unusual }, "first")).Dispose();
        using Manifest inherited = await Build([File("a"), File("b")], new() { Previous = Scratch["first"] }, "second");
        Assert.Equal(unusual, inherited.Layout);
        using Manifest changed = await Build([File("a"), File("b")], new() { Previous = Scratch["second"], Layout = new() }, "third");
        Assert.Equal(new LayoutParameters(), changed.Layout);
    }

    [Fact]
    public async Task What_did_not_change_keeps_its_node_and_block_ids()
    {
        Random random = new(7);
        LayoutParameters layout = new() { PackTarget = 100_000, PackLimit = 400_000, PackThreshold = 50_000 };
        List<SourceEntry> listing = [.. Enumerable.Range(0, 3000).Select(i => File($"d{i % 10}/f{i}", random.Next(1, 60_000), tag: $"{random.NextInt64():x32}"))];
        using Manifest before = await Build(listing, new() { Layout = layout }, "before");
        List<SourceEntry> edited = [.. listing];
        edited[100] = edited[100] with { VersionTag = Bytes($"{random.NextInt64():x32}") };
        edited.RemoveAt(2000);
        edited.Add(File("d3/new", 500));
        using Manifest after = await Build(edited, new() { Previous = Scratch["before"] }, "after");

        int changedNodes = 0;
        for (int i = 0; i < after.EntryCount; i++)
            if (!before.TryFindNode(after.Get(new EntryIndex(i)).Node, out _)) changedNodes++;
        Assert.Equal(2, changedNodes);
        int changedPacks = Enumerable.Range(0, after.PackCount).Count(pack => !before.ContainsBlockFile(after.GetPack(pack).Id));
        Assert.InRange(changedPacks, 1, 6);
        Assert.True(after.PackCount > 300);
    }

    [Fact]
    public async Task Ids_depend_on_identity_key_tag_and_size_and_on_nothing_else()
    {
        async Task<(NodeId, BlockFileId)> Ids(string identity, SourceEntry entry)
        {
            using Manifest manifest = await BuildJoined([(identity, "", [entry])]);
            return (manifest.Get(new EntryIndex(1)).Node, manifest.Locate(new EntryIndex(1)).BlockFile);
        }
        SourceEntry file = File("f");
        (NodeId, BlockFileId) ids = await Ids("test://a", file);
        Assert.Equal(ids, await Ids("test://a", file with { MtimeNs = 5, Mode = 0x1FF, Uid = 5, Gid = 6 }));
        foreach ((string identity, SourceEntry other) in ((string, SourceEntry)[])
            [("test://b", file), ("test://a", file with { Key = Bytes("g") }), ("test://a", file with { Size = 11 }), ("test://a", file with { VersionTag = Bytes("x") })])
        {
            (NodeId node, BlockFileId block) = await Ids(identity, other);
            Assert.NotEqual(ids.Item1, node);
            Assert.NotEqual(ids.Item2, block);
        }
    }

    [Fact]
    public async Task Colliding_node_ids_are_told_apart_alike_on_every_machine()
    {
        Random random = new(8);
        List<SourceEntry> listing = RandomListing.Make(random, 3000);
        ManifestBuildOptions narrow = new() { NodeIdBits = 13 };
        // Not verified: the ids are deliberately not those of the recipes.
        using Manifest first = await ManifestBuilder.BuildAsync([(new ListedSource("test://a", listing), "")], Scratch["first"], narrow, null, default);
        using Manifest second = await ManifestBuilder.BuildAsync(
            [(new ListedSource("test://a", RandomListing.Shuffled(random, listing)), "")], Scratch["second"], narrow with { MemoryBudget = 1 << 16 }, null, default);
        Assert.Equal(Content("first"), Content("second"));
        ManifestModel.Of(listing).Check(first);
        Assert.Equal(NodeId.Root, first.Get(EntryIndex.Root).Node);
    }

    [Fact]
    public async Task An_id_that_only_some_entries_share_goes_to_the_first_and_the_others_keep_theirs()
    {
        Random random = new(9);
        List<SourceEntry> listing = RandomListing.Make(random, 200);
        using Manifest wide = await Build(listing, name: "wide");
        using Manifest narrow = await ManifestBuilder.BuildAsync([(new ListedSource("test://a", listing), "")], Scratch["narrow"], new() { NodeIdBits = 20 }, null, default);
        int kept = Enumerable.Range(1, wide.EntryCount - 1).Count(i => narrow.Get(new EntryIndex(i)).Node.Value == wide.Get(new EntryIndex(i)).Node.Value >> 44 << 44);
        Assert.InRange(kept, wide.EntryCount - 5, wide.EntryCount - 1);
    }
}
