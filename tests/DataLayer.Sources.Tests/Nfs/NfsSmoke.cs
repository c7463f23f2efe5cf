using DataLayer.Formats;
using DataLayer.TestKit.Nfs;
namespace DataLayer.Sources.Tests.Nfs;
public sealed class NfsSmoke
{
    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Smoke(int version)
    {
        await using GaneshaServer server = await GaneshaServer.StartAsync();
        Directory.CreateDirectory(server.Export + "/a/b");
        await File.WriteAllBytesAsync(server.Export + "/a/b/c", [1, 2, 3]);
        File.CreateSymbolicLink(server.Export + "/a/link", "b/c");
        await using ISource source = SourceFactory.Open(server.Uri(version), new SourceOptions() { ReadDeadline = TimeSpan.FromSeconds(8) });
        Dictionary<string, SourceEntry> entries = await TestSources.ListAsync(source);
        Assert.Equal(["", "a", "a/b", "a/b/c", "a/link"], entries.Keys.Order());
        Assert.Equal([1, 2, 3], await TestSources.ReadAsync(source, entries["a/b/c"]));
    }
}
