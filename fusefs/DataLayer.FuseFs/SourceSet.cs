using DataLayer.Formats;
using DataLayer.FuseFs.CommandLine;
using DataLayer.Sources;

namespace DataLayer.FuseFs;

/// <summary>The opened sources of one command or mount, with the sub-path each is joined at. Owns them.</summary>
sealed class SourceSet(IReadOnlyList<(ISource Source, string SubPath)> joined) : IAsyncDisposable
{
    public IReadOnlyList<(ISource Source, string SubPath)> Joined { get; } = joined;

    /// <exception cref="SourceException">A source cannot be used as written.</exception>
    public static SourceSet Open(IReadOnlyList<SourceArgument> arguments, SourceOptions options)
    {
        if (arguments.GroupBy(argument => argument.SubPath).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new UserException($"{string.Join(" and ", twice.Select(argument => argument.Uri))} would both be mounted at '/{twice.Key}': give each a sub-path of its own, like {twice.First().Uri}={(twice.Key.Length > 0 ? twice.Key + "-1" : "name")}.");
        List<(ISource, string)> opened = [];
        foreach (SourceArgument argument in arguments) opened.Add((SourceFactory.Open(argument.Uri, options), argument.SubPath));
        return new SourceSet(opened);
    }

    /// <summary>The sources in the order a manifest names them.</summary>
    /// <exception cref="UserException">The manifest was made from others.</exception>
    public IReadOnlyList<ISource> InOrderOf(Manifest manifest, string manifestFile)
    {
        List<ISource> ordered = [];
        foreach (ManifestSource wanted in manifest.Sources)
        {
            ISource? found = Joined.FirstOrDefault(joined => joined.Source.Identity == wanted.Identity && joined.SubPath == wanted.SubPath).Source;
            ordered.Add(found ?? throw new UserException(
                $"{manifestFile} was made from {wanted.Identity}{(wanted.SubPath.Length > 0 ? "=" + wanted.SubPath : "")}, which is not among the sources given; name the same sources with the same endpoint."));
        }

        return ordered;
    }

    public async ValueTask DisposeAsync()
    {
        foreach ((ISource source, _) in Joined) await source.DisposeAsync();
    }
}
