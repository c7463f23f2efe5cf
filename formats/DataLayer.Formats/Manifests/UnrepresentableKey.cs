namespace DataLayer.Formats;

/// <summary>A key that POSIX cannot hold, and the rule that left it out.</summary>
/// <param name="Source">Ordinal in <see cref="Manifest.Sources"/>.</param>
/// <param name="Key">Exactly the source's bytes.</param>
/// <param name="Reason">The rule, in words for people; see <see cref="KeyRule"/>.</param>
public sealed record UnrepresentableKey(int Source, byte[] Key, string Reason);
