namespace DataLayer.Fuse;

/// <summary>How requests reach the dispatcher: a set of workers, each on a thread of its own.</summary>
abstract class FuseTransport : IDisposable
{
    readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int _running;

    public abstract FuseTransportKind Kind { get; }

    public abstract IReadOnlyList<FuseWorker> Workers { get; }

    /// <summary>Completes when the last thread ended, which happens once the connection is gone.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Starts serving. Called once.</summary>
    public abstract void Start();

    /// <summary>Releases descriptors and memory. Only after <see cref="Completion"/>.</summary>
    public abstract void Dispose();

    /// <summary>Starts threads. Counted before the first one runs: one that ended at once would otherwise complete the transport.</summary>
    protected void StartThreads(IReadOnlyCollection<(string Name, Action Body)> threads)
    {
        Interlocked.Add(ref _running, threads.Count);
        foreach ((string name, Action body) in threads)
        {
            Thread thread = new(() => Run(body))
            {
                // A mount must not keep a process alive whose Main has returned.
                IsBackground = true,
                Name = name,
            };
            thread.Start();
        }
    }

    void Run(Action body)
    {
        try
        {
            body();
        }
        finally
        {
            if (Interlocked.Decrement(ref _running) == 0) _completion.TrySetResult();
        }
    }
}
