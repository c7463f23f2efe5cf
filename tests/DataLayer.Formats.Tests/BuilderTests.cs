using Xunit;

namespace DataLayer.Formats.Tests;

/// <summary>What every test of a built manifest needs: a scratch directory and a short way to build in it.</summary>
public abstract class BuilderTests : IDisposable
{
    private protected ScratchDirectory Scratch { get; } = new();

    public void Dispose()
    {
        Scratch.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Builds from one source at the root, and verifies the result in full.</summary>
    private protected Task<Manifest> Build(IEnumerable<SourceEntry> listing, ManifestBuildOptions? options = null, string name = "m") =>
        BuildJoined([("test://a", "", listing)], options, name);

    private protected async Task<Manifest> BuildJoined(
        IReadOnlyList<(string Identity, string SubPath, IEnumerable<SourceEntry> Listing)> sources, ManifestBuildOptions? options = null, string name = "m")
    {
        Manifest manifest = await ManifestBuilder.BuildAsync(
            [.. sources.Select(source => ((ISource)new ListedSource(source.Identity, [.. source.Listing]), source.SubPath))],
            Scratch[name], options ?? new(), null, CancellationToken.None);
        manifest.Verify(CancellationToken.None);
        return manifest;
    }

    private protected byte[] Content(string name) => File.ReadAllBytes(Scratch[name]);

    /// <summary>All paths with the kind of each, in entry order; directories end in '/'.</summary>
    private protected static string[] Paths(Manifest manifest) =>
    [
        .. Enumerable.Range(1, manifest.EntryCount - 1).Select(i => new EntryIndex(i)).Select(entry =>
            ManifestModel.Text(manifest.GetPath(entry)) + (manifest.Get(entry).Kind == EntryKind.Directory ? "/" : "")),
    ];

    private protected static string[] LeftOut(Manifest manifest)
    {
        string[] keys = [.. manifest.ReadUnrepresentable().Select(key => $"{key.Source} {ManifestModel.Text(key.Key)}: {key.Reason}")];
        Assert.Equal(manifest.UnrepresentableCount, keys.Length);
        return keys;
    }
}
