namespace DataLayer.Cache;

/// <summary>A cache directory that cannot be used as it is; the message names it and the remedy.</summary>
public sealed class StoreException(string message, Exception? inner = null) : Exception(message, inner);
