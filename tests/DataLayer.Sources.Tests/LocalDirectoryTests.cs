using DataLayer.Formats;

namespace DataLayer.Sources.Tests;

public sealed class LocalDirectoryTests
{
    [Fact]
    public async Task Smoke()
    {
        string dir = Directory.CreateTempSubdirectory("sources-").FullName;
        Directory.CreateDirectory(dir + "/a/b");
        await File.WriteAllBytesAsync(dir + "/a/b/c", [1, 2, 3]);
        File.CreateSymbolicLink(dir + "/a/link", "b/c");
        await using ISource source = SourceFactory.Open(dir, new SourceOptions());
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(["", "a", "a/b", "a/b/c", "a/link"], entries.Keys.Order());
        Assert.Equal([1, 2, 3], await TestSources.ReadAsync(source, entries["a/b/c"]));
        Directory.Delete(dir, true);
    }
}
