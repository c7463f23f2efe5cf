using DataLayer.Formats;
using DataLayer.Sources.LocalDirectory;
using DataLayer.Sources.Nfs;
using DataLayer.Sources.Odps;
using DataLayer.Sources.S3;

namespace DataLayer.Sources;

/// <summary>Opens the source that a name stands for.</summary>
public static class SourceFactory
{
    /// <summary>Checks the name and the options. Nothing is sent yet: a server that cannot be reached shows at the first listing or read.</summary>
    /// <param name="uri">See <see cref="SourceUri"/> and <see cref="NfsLocation"/>; with "odps+" in front, a table export there.</param>
    /// <exception cref="SourceException">Misconfigured.</exception>
    public static ISource Open(string uri, SourceOptions options)
    {
        options.Validate();
        if (uri.StartsWith(OdpsSource.Scheme, StringComparison.OrdinalIgnoreCase))
        {
            string below = uri[OdpsSource.Scheme.Length..];
            if (!below.Contains("://", StringComparison.Ordinal) || below.StartsWith(OdpsSource.Scheme, StringComparison.OrdinalIgnoreCase))
                throw new SourceException(SourceFault.Misconfigured, $"'{uri}' is no table export; give odps+ and one of s3://bucket/prefix, oss://bucket/prefix, nfs://server/export or file:///path.");
            return new OdpsSource(Open(below, options), options);
        }
        if (NfsLocation.IsNfs(uri)) return NfsSource.Open(uri, options);
        SourceUri parsed = SourceUri.Parse(uri);
        return parsed.Kind switch
        {
            SourceKind.LocalDirectory => LocalDirectorySource.Open(parsed.Path, options),
            _ => S3Source.Open(parsed, options),
        };
    }
}
