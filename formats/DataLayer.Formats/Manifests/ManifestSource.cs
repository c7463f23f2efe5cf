namespace DataLayer.Formats;

/// <summary>A source as a manifest records it.</summary>
/// <param name="Identity">See <see cref="ISource.Identity"/>.</param>
/// <param name="SubPath">Where it is joined, without leading or trailing '/'; empty for the root.</param>
public sealed record ManifestSource(string Identity, string SubPath);
