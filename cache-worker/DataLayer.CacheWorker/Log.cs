namespace DataLayer.CacheWorker;

/// <summary>Log lines on standard error, one per event, with the time.</summary>
static class Log
{
    public static void Info(string message) => Write("info", message);
    public static void Warn(string message) => Write("warn", message);

    static void Write(string level, string message) =>
        Console.Error.WriteLine($"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {level} {message}");
}
