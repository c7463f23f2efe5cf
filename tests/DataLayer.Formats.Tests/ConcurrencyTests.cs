using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class ConcurrencyTests : BuilderTests
{
    [Fact]
    public async Task Many_threads_get_the_same_answers_from_pages_that_none_has_touched()
    {
        (await Build(RandomListing.Make(new Random(1), 3000))).Dispose();
        string expected;
        using (Manifest manifest = Manifest.Open(Scratch["m"])) expected = ManifestForgery.Walk(manifest);
        for (int round = 0; round < 3; round++)
        {
            using Manifest manifest = Manifest.Open(Scratch["m"]);
            Task<string>[] walks = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(() => ManifestForgery.Walk(manifest)))];
            Assert.All(await Task.WhenAll(walks), walk => Assert.Equal(expected, walk));
        }
    }

    [Fact]
    public async Task Questions_of_the_read_path_allocate_nothing()
    {
        using Manifest manifest = await Build([.. Enumerable.Range(0, 500).Select(i => ListedSource.File($"d/f{i}", 1000 + i)), ListedSource.File("d/large", 5 << 20)]);
        EntryIndex directory = ManifestModel.Resolve(manifest, "d"), large = ManifestModel.Resolve(manifest, "d/large");
        void Ask()
        {
            manifest.TryLookup(directory, "f77"u8, out EntryIndex entry);
            ManifestEntry row = manifest.Get(entry);
            manifest.TryFindNode(row.Node, out entry);
            manifest.Locate(entry);
            manifest.Parent(entry);
            NameReader names = manifest.ReadNames(entry);
            while (names.Next()) ;
            FileLocation location = manifest.Locate(large);
            manifest.ContainsBlockFile(location.BlockFile);
        }
        Ask();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) Ask();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public async Task A_disposed_manifest_says_so()
    {
        Manifest manifest = await Build([ListedSource.File("a")]);
        manifest.Dispose();
        manifest.Dispose();
        Assert.Throws<ObjectDisposedException>(() => manifest.Get(EntryIndex.Root));
        Assert.Throws<ObjectDisposedException>(() => manifest.GetPath(new EntryIndex(1)));
    }

    [Fact]
    public async Task Indices_that_are_not_there_are_the_callers_fault()
    {
        using Manifest manifest = await Build([ListedSource.File("a"), ListedSource.Symlink("l", "a")]);
        Assert.Throws<ArgumentOutOfRangeException>(() => manifest.Get(new EntryIndex(3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => manifest.Get(new EntryIndex(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => manifest.Parent(new EntryIndex(3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => manifest.GetPack(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => { manifest.ReadNames(new EntryIndex(4)); });
        Assert.Throws<ArgumentException>(() => manifest.Children(new EntryIndex(1)));
        Assert.Throws<ArgumentException>(() => manifest.GetLinkTarget(new EntryIndex(1)));
        Assert.Throws<ArgumentException>(() => manifest.GetSourceFile(new EntryIndex(2)));
        Assert.False(manifest.ReadNames(new EntryIndex(3)).Next());
    }
}
