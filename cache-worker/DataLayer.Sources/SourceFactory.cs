using DataLayer.Formats;
using DataLayer.Sources.LocalDirectory;
using DataLayer.Sources.Nfs;
using DataLayer.Sources.S3;

namespace DataLayer.Sources;

/// <summary>Opens the source that a name stands for.</summary>
public static class SourceFactory
{
    /// <summary>Checks the name and the options. Nothing is sent yet: a server that cannot be reached shows at the first listing or read.</summary>
    /// <param name="uri">See <see cref="SourceUri"/> and <see cref="NfsLocation"/>.</param>
    /// <exception cref="SourceException">Misconfigured.</exception>
    public static ISource Open(string uri, SourceOptions options)
    {
        options.Validate();
        if (NfsLocation.IsNfs(uri)) return NfsSource.Open(uri, options);
        SourceUri parsed = SourceUri.Parse(uri);
        return parsed.Kind switch
        {
            SourceKind.LocalDirectory => LocalDirectorySource.Open(parsed.Path, options),
            _ => S3Source.Open(parsed, options),
        };
    }
}
