using System.Text;
using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class PackTests : BuilderTests
{
    [Theory]
    [InlineData(1, 8 << 20)]
    [InlineData(2, 1 << 20)]
    [InlineData(3, 1 << 18)]
    public async Task Files_tile_every_pack_and_Locate_agrees(int seed, long target)
    {
        LayoutParameters layout = new() { PackTarget = target, PackLimit = 4 << 20 > target ? 4 << 20 : 4 * target };
        using Manifest manifest = await Build(RandomListing.Make(new Random(seed), 4000), new() { Layout = layout });
        Assert.True(manifest.PackCount > 3);
        HashSet<EntryIndex> packed = [];
        for (int pack = 0; pack < manifest.PackCount; pack++)
        {
            PackInfo info = manifest.GetPack(pack);
            FileLocation[] files = manifest.GetPackFiles(pack);
            Assert.Equal(info.FileCount, files.Length);
            Assert.Equal(info.First, files[0].Entry);
            Assert.True(info.Length <= layout.PackLimit);
            Assert.True(manifest.ContainsBlockFile(info.Id));
            long offset = 0;
            for (int unit = 0; unit < files.Length; unit++)
            {
                Assert.Equal(offset, files[unit].Offset);
                Assert.Equal(unit, files[unit].Unit);
                Assert.InRange(files[unit].Entry.Value, info.First.Value, info.End.Value - 1);
                Assert.Equal(files[unit], manifest.Locate(files[unit].Entry));
                Assert.True(packed.Add(files[unit].Entry));
                offset += files[unit].Length;
            }
            Assert.Equal(info.Length, offset);
        }

        for (int i = 0; i < manifest.EntryCount; i++)
        {
            EntryIndex entry = new(i);
            ManifestEntry row = manifest.Get(entry);
            if (row.Kind != EntryKind.File)
            {
                Assert.Throws<ArgumentException>(() => manifest.Locate(entry));
                continue;
            }
            FileLocation location = manifest.Locate(entry);
            Assert.Equal(row.Size, location.Length);
            Assert.Equal(packed.Contains(entry), location.IsPacked);
            Assert.Equal(row.Size > 0 && row.Size <= layout.PackThreshold, location.IsPacked);
            if (row.Size == 0) Assert.Equal(new FileLocation(entry, default, -1, 0, 0, 0), location);
            if (row.Size > layout.PackThreshold)
            {
                SourceFile file = manifest.GetSourceFile(entry);
                Assert.Equal(new BlockFileId(Recipe.File(Recipe.Source("test://a"), file.Key, file.VersionTag, file.Size)), location.BlockFile);
                Assert.True(manifest.ContainsBlockFile(location.BlockFile));
            }
        }
        Assert.False(manifest.ContainsBlockFile(new BlockFileId(Digest.Of(Encoding.ASCII.GetBytes("none")))));
    }
}
