namespace DataLayer.FuseFs;

/// <summary>Log lines on standard error, one per event, with the time. The daemon's log is whatever standard error is.</summary>
static class Log
{
    static readonly bool Verbose = Environment.GetEnvironmentVariable("DATALAYER_LOG") == "debug";

    public static void Info(string message) => Write("info", message);
    public static void Warn(string message) => Write("warn", message);

    /// <summary>Only with DATALAYER_LOG=debug.</summary>
    public static void Debug(string message)
    {
        if (Verbose) Write("debug", message);
    }

    static void Write(string level, string message) =>
        Console.Error.WriteLine($"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {level} {message}");
}
