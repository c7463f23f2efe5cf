using DataLayer.Fuse;

namespace DataLayer.FuseFs.Holding;

/// <summary>One replacement of the serving program, and the command line that waits for it.</summary>
sealed class Upgrade(DescriptorSocket client, IReadOnlyList<string> program, HeldProcess successor)
{
    public IReadOnlyList<string> Program => program;
    public HeldProcess Successor => successor;

    /// <summary>Who served before and paused; null before that, and when it has died.</summary>
    public HeldProcess? Old { get; set; }

    /// <summary>The old one was told to pause.</summary>
    public bool HasBegun { get; set; }

    /// <param name="error">Null: the successor serves.</param>
    public void Report(string? error)
    {
        if (error is not null) Log.Warn($"upgrade: {error}");
        client.Send(new HoldMessage { Kind = HoldMessageKind.Done, Error = error, Successor = successor.Id });
        client.Dispose();
    }
}
