using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class ManifestTreeTests : BuilderTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 15)]
    [InlineData(3, 16)]
    [InlineData(4, 17)]
    [InlineData(5, 300)]
    [InlineData(6, 3000)]
    [InlineData(7, 8000)]
    public async Task Random_trees_answer_like_a_dictionary(int seed, int count)
    {
        Random random = new(seed);
        List<SourceEntry> listing = RandomListing.Make(random, count);
        using Manifest manifest = await Build(RandomListing.Shuffled(random, listing));
        ManifestModel.Of(listing).Check(manifest);
    }

    [Fact]
    public async Task An_empty_listing_is_an_empty_root()
    {
        using Manifest manifest = await Build([]);
        Assert.Equal(1, manifest.EntryCount);
        Assert.Equal((new EntryIndex(1), 0), manifest.Children(EntryIndex.Root));
        Assert.False(manifest.TryLookup(EntryIndex.Root, "x"u8, out _));
        Assert.Empty(manifest.GetPath(EntryIndex.Root));
        Assert.Equal(NodeId.Root, manifest.Get(EntryIndex.Root).Node);
    }
}
