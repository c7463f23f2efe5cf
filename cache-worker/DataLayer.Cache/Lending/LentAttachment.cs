namespace DataLayer.Cache;

/// <summary>
/// Keeps a mount attached to the worker of its node. While the worker is gone, block files that are open go on working, and
/// everything else comes from other workers.
/// </summary>
internal sealed class LentAttachment(string? socket, Func<string?> token, IAttachedStore store) : IStoreAttachment
{
    const int ShortestRetry = 20, LongestRetry = 1000;

    /// <summary>Beside the API's socket: files cannot be passed over HTTP.</summary>
    public static string PathOf(string socket) => socket + ".blocks";

    readonly CancellationTokenSource _stop = new();
    readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    volatile LentDirectory? _directory;
    Task _keeping = Task.CompletedTask;

    public IBlockDirectory? Directory => _directory;

    public Task StartAsync(CancellationToken cancellation)
    {
        if (socket == null) return Task.CompletedTask;
        _keeping = Task.Run(KeepAttachedAsync, CancellationToken.None);
        return _first.Task.WaitAsync(cancellation);
    }

    public void Register(Registration registration)
    {
    }

    public void Unregister(Registration registration)
    {
    }

    async Task KeepAttachedAsync()
    {
        int delay = ShortestRetry;
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                LentDirectory? directory = LentDirectory.TryConnect(PathOf(socket!), token() ?? "");
                if (directory != null)
                {
                    directory.Evicted += (grant, id) => store.Evicted(directory, grant, id);
                    _directory = directory;
                    store.Attached(directory);
                    _first.TrySetResult();
                    delay = ShortestRetry;
                    await directory.Lost.WaitAsync(_stop.Token);
                    _directory = null;
                }
                _first.TrySetResult(); // Reads go on through other workers.
                await Task.Delay(delay, _stop.Token);
                delay = Math.Min(LongestRetry, delay * 2);
            }
        }
        catch (OperationCanceledException)
        {
            return;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _keeping;
        LentDirectory? directory = _directory;
        _directory = null;
        if (directory != null) await directory.DisposeAsync();
    }
}
