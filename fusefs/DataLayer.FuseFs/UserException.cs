namespace DataLayer.FuseFs;

/// <summary>A fault the user can act on: its message is the one line that is printed before exit code 1.</summary>
sealed class UserException(string message, Exception? inner = null) : Exception(message, inner);
