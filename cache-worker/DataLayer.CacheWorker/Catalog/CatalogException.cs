namespace DataLayer.CacheWorker.Catalog;

/// <summary>Redis did not answer as it should: unreachable, too slow, refusing, or not holding what we put there. Always transient.</summary>
internal sealed class CatalogException(string message, Exception? inner = null) : Exception(message, inner);
