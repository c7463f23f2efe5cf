namespace DataLayer.Formats;

/// <summary>A manifest that cannot be used, or a snapshot that cannot be built; the message names the file and the remedy.</summary>
public sealed class ManifestException(string message, Exception? inner = null) : Exception(message, inner);
