using System.Text;
using Xunit;

namespace DataLayer.Formats.Tests;

public sealed class VersionTagTests : BuilderTests
{
    [Theory]
    [InlineData("", (int)TagForm.None)]
    [InlineData("0123456789abcdef", (int)TagForm.Raw16)]
    [InlineData("0123456789abcdef0123456789abcdef", (int)TagForm.Hex32)]
    [InlineData("0123456789ABCDEF0123456789ABCDEF", (int)TagForm.Heap)]
    [InlineData("0123456789abcdef0123456789abcde", (int)TagForm.Heap)]
    [InlineData("0123456789abcdef0123456789abcdeg", (int)TagForm.Heap)]
    [InlineData("0123456789abcdef0123456789abcdef-12", (int)TagForm.Heap)]
    [InlineData("0123456789abcdef0123456789abcdef\0v1", (int)TagForm.Heap)]
    [InlineData("x", (int)TagForm.Heap)]
    public async Task Tags_come_back_exactly_and_common_ones_are_stored_inline(string tag, int form)
    {
        Assert.Equal((TagForm)form, VersionTag.Encode(Encoding.Latin1.GetBytes(tag), out _, out _));
        using Manifest manifest = await Build([ListedSource.File("f", tag: tag)]);
        Assert.Equal(tag, ManifestModel.Text(manifest.GetSourceFile(new EntryIndex(1)).VersionTag));
    }
}
