using System.Security.Cryptography;
using System.Text;
using Xunit;

namespace DataLayer.Formats.Tests;

/// <summary>
/// Golden ids. Each was computed by a separate implementation of the docstrings; a change of any makes every cache in the
/// field useless, so it needs a new format tag and not a new expectation.
/// </summary>
public sealed class RecipeTests
{
    const string Identity = "s3://example/bucket/prefix/";
    static readonly Digest First = Recipe.File(Recipe.Source(Identity), "a/b.txt"u8, "0123456789abcdef0123456789abcdef"u8, 1234);
    static readonly Digest Second = Recipe.File(Recipe.Source(Identity), [0xFF, (byte)'\n'], default, 1L << 40);

    [Theory]
    [InlineData("", 0xefd01f60ba992926)]
    [InlineData("a", 0x82a2a958a9bece5b)]
    [InlineData("train/img_0001.jpg", 0x8a7ac0b0c7274673)]
    public void Hash_of_a_key(string key, ulong expected) => Assert.Equal(expected, PackBoundaries.Hash(Encoding.ASCII.GetBytes(key)));

    [Fact]
    public void Hash_of_every_byte_value() =>
        Assert.Equal(0x2067db6dbd4efa06u, PackBoundaries.Hash([.. Enumerable.Range(0, 256).Select(i => (byte)i)]));

    [Fact]
    public void File_recipes()
    {
        Assert.Equal("81f8b5b9e6fdfb2c723ad23fe7285d986e43de9a9d640f02fd85fde364675cdc", First.ToString());
        Assert.Equal("0ccb1fed7c1ae5257d93e4033199c46456e6623cdb3da3f6eee812aeb796858b", Second.ToString());
    }

    [Fact]
    public void Pack_id_and_the_hash_is_ready_for_the_next_pack()
    {
        using IncrementalHash hash = Recipe.StartPack();
        for (int round = 0; round < 2; round++)
        {
            Recipe.AppendToPack(hash, First);
            Recipe.AppendToPack(hash, Second);
            Assert.Equal("ee471c848ff464e35cab095802c4d5cd31c1702e63d0824fb1ad0a0120274ae7", Recipe.FinishPack(hash).ToString());
        }
    }

    [Fact]
    public void Slice_id() =>
        Assert.Equal("031ff1b023b2addfedd0042f3e2783e21e67fae846573482f19c43f027466d8a", Recipe.Slice(new BlockFileId(Second), 3, 64 << 20).ToString());

    [Fact]
    public void Node_ids()
    {
        Assert.Equal(0x8124013205a08740u, Recipe.FileNode("mnt/a/b.txt"u8, First).Value);
        Assert.Equal(0x3f9b946956a9fcaau, Recipe.DirectoryNode("mnt/a"u8).Value);
        Assert.Equal(0x1468e3bffbeb8a4cu, Recipe.SymlinkNode("mnt/l"u8, "../x"u8).Value);
        Assert.Equal(NodeId.Root, Recipe.DirectoryNode(default));
    }

    [Fact]
    public void Fields_do_not_run_into_each_other() =>
        Assert.NotEqual(Recipe.File(Recipe.Source("s"), "ab"u8, "c"u8, 1), Recipe.File(Recipe.Source("s"), "a"u8, "bc"u8, 1));

    [Fact]
    public void The_longest_key_tag_and_path_are_hashed_without_a_fault()
    {
        byte[] path = new byte[4095], tag = new byte[2048];
        Digest file = Recipe.File(Recipe.Source("s"), path, tag, long.MaxValue);
        Assert.NotEqual(Recipe.FileNode(path, file), Recipe.SymlinkNode(path, path));
    }
}
