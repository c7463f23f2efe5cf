using DataLayer.Sources;

namespace DataLayer.FuseFs.CommandLine;

/// <summary>Shows how far the indexing of row views is: in the live line of a terminal, else as a log line now and then.</summary>
sealed class IndexingLine
{
    // Several reports come every millisecond; a log wants a sign of life, not a film.
    const int TerminalMs = 200, LogMs = 10_000;

    long next = Environment.TickCount64 + TerminalMs;

    public void Show(IndexingProgress progress)
    {
        long due = Interlocked.Read(ref next), now = Environment.TickCount64;
        // Without text everything was indexed before, and nothing takes time.
        if (progress.TextBytes == 0 || now < due || Interlocked.CompareExchange(ref next, now + (Console.IsErrorRedirected ? LogMs : TerminalMs), due) != due) return;
        string line = $"indexing rows: {progress.FilesDone:N0} of {progress.Files:N0} files, {Values.Size(progress.TextBytes)} of text";
        if (!Terminal.TryShow(line)) Log.Info(line);
    }
}
