namespace DataLayer.Sources.LocalDirectory;

/// <summary>
/// Threads that may block in system calls for as long as a storage server likes. They are apart from the thread pool, so
/// that a NAS that hangs (uninterruptible, no timeout) takes these threads and nothing else: who waits for a job gives up
/// at its deadline, and reads of cached files go on. Started on demand, up to a limit; idle ones end.
/// </summary>
internal sealed class BlockingThreads(int limit, string name)
{
    static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(20);

    readonly Lock _sync = new();
    readonly Queue<BlockingJob> _queue = new();
    readonly SemaphoreSlim _available = new(0);
    int _threads;
    int _idle;

    public void Start(BlockingJob job)
    {
        bool start;
        lock (_sync)
        {
            _queue.Enqueue(job);
            start = _idle < _queue.Count && _threads < limit;
            if (start) _threads++;
        }
        _available.Release();
        if (start) new Thread(Run, 256 * 1024) { IsBackground = true, Name = name }.Start();
    }

    void Run()
    {
        while (true)
        {
            lock (_sync) _idle++;
            bool signalled = _available.Wait(IdleTime);
            BlockingJob? job;
            lock (_sync)
            {
                _idle--;
                if (!signalled && _queue.Count == 0)
                {
                    _threads--;
                    return;
                }
                _queue.TryDequeue(out job);
            }
            if (job is not null && !job.IsAbandoned) job.Run();
        }
    }
}

/// <summary>
/// One piece of blocking work, with a result. Who awaits it may abandon it; <see cref="Publish"/> then refuses, so that a
/// call that returns late never writes into memory that has a new owner.
/// </summary>
internal abstract class BlockingJob
{
    const int Idle = 0, Publishing = 1, Abandoned = 2;

    readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int _state;

    public bool IsAbandoned => Volatile.Read(ref _state) == Abandoned;

    protected abstract void Execute();

    public void Run()
    {
        try
        {
            Execute();
            _done.TrySetResult();
        }
        catch (Exception e)
        {
            _done.TrySetException(e);
        }
    }

    /// <summary>Runs <paramref name="copy"/> unless the job was abandoned; abandoning waits while it runs (a memory copy).</summary>
    protected bool Publish<T>(T argument, Action<T> copy)
    {
        if (Interlocked.CompareExchange(ref _state, Publishing, Idle) != Idle) return false;
        try
        {
            copy(argument);
            return true;
        }
        finally
        {
            Volatile.Write(ref _state, Idle);
        }
    }

    /// <exception cref="TimeoutException">The job did not finish; it is abandoned.</exception>
    public async Task WaitAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        try
        {
            await _done.Task.WaitAsync(timeout, cancellation);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            SpinWait spin = default;
            while (Interlocked.CompareExchange(ref _state, Abandoned, Idle) == Publishing) spin.SpinOnce();
            // Nobody looks at a late fault any more.
            _ = _done.Task.ContinueWith(static t => t.Exception, TaskContinuationOptions.OnlyOnFaulted);
            throw;
        }
    }
}
