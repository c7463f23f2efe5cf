namespace DataLayer.CacheWorker;

/// <summary>Something the person at the command line can mend; the message says how.</summary>
sealed class UserException(string message, Exception? inner = null) : Exception(message, inner);
