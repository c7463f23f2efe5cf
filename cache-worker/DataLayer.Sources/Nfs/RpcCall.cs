using DataLayer.Formats;

namespace DataLayer.Sources.Nfs;

/// <summary>
/// One remote procedure call. It may be sent several times (every call here only reads), each time over one connection.
/// Who awaits it may abandon it; from then on a reply changes nothing outside of it.
/// </summary>
internal abstract class RpcCall
{
    const int Idle = 0, Publishing = 1, Abandoned = 2;

    TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int _state;

    public abstract uint Program { get; }
    public abstract uint Version { get; }
    public abstract uint Procedure { get; }

    public bool IsAbandoned => Volatile.Read(ref _state) == Abandoned;

    public abstract void WriteArguments(ref XdrWriter writer);

    /// <summary>On the connection's thread.</summary>
    /// <exception cref="XdrException">The reply makes no sense.</exception>
    public abstract void ReadReply(ref XdrReader reader);

    /// <summary>After it was answered: makes it ready to be sent once more.</summary>
    public void Renew() => _done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Complete() => _done.TrySetResult();

    public void Fail(SourceException fault) => _done.TrySetException(fault);

    /// <summary>Copies into the caller's memory, unless the caller is gone.</summary>
    protected bool Publish(ReadOnlySpan<byte> bytes, Memory<byte> destination)
    {
        if (Interlocked.CompareExchange(ref _state, Publishing, Idle) != Idle) return false;
        try
        {
            bytes.CopyTo(destination.Span);
            return true;
        }
        finally
        {
            Volatile.Write(ref _state, Idle);
        }
    }

    /// <exception cref="TimeoutException">No answer in time; the call is abandoned.</exception>
    /// <exception cref="SourceException">The server refused the call.</exception>
    public async Task WaitAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        try
        {
            await _done.Task.WaitAsync(timeout, cancellation);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // Publishing lasts as long as a copy of at most 1 MiB.
            SpinWait spin = default;
            while (Interlocked.CompareExchange(ref _state, Abandoned, Idle) == Publishing) spin.SpinOnce();
            _ = _done.Task.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            throw;
        }
    }
}
