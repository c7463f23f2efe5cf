namespace DataLayer.Cache;

/// <summary>
/// Threads that may block on the local disk, so that those which answer the kernel never do. Started with the first job.
/// </summary>
/// <remarks>Idle threads wait on a monitor: .NET's semaphores spin first, which took a sixth of two cores here.</remarks>
internal sealed class DiskThreads(int count, string name) : IDisposable
{
    readonly object _gate = new();
    readonly Queue<Action> _jobs = new();
    Thread[] _threads = [];
    bool _closed;

    /// <summary>Runs <paramref name="read"/> on one of the threads. A disk that hangs keeps its caller: the destination is in use.</summary>
    public Task<T> RunAsync<T>(Func<T> read)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool started = Start(() =>
        {
            try { done.SetResult(read()); }
            catch (Exception e) { done.SetException(e); }
        });
        if (!started) done.SetException(new ObjectDisposedException(nameof(BlockStore)));
        return done.Task;
    }

    /// <param name="job">Does not throw.</param>
    /// <returns>False when the store is closed.</returns>
    public bool Start(Action job)
    {
        lock (_gate)
        {
            if (_closed) return false;
            _jobs.Enqueue(job);
            Monitor.Pulse(_gate);
            if (_threads.Length > 0) return true;
            _threads = [.. Enumerable.Range(0, count).Select(_ => new Thread(Run, 256 << 10) { IsBackground = true, Name = name })];
            foreach (Thread thread in _threads) thread.Start();
            return true;
        }
    }

    void Run()
    {
        while (true)
        {
            Action? job;
            lock (_gate)
            {
                while (!_jobs.TryDequeue(out job))
                {
                    if (_closed) return;
                    Monitor.Wait(_gate);
                }
            }
            job();
        }
    }

    /// <summary>Finishes the jobs it has.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }
        foreach (Thread thread in _threads) thread.Join();
    }
}
