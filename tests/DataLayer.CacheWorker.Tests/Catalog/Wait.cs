namespace DataLayer.CacheWorker.Tests.Catalog;

internal static class Wait
{
    // A minute of looking, however long the machine stands still in between.
    const int Looks = 6000;

    public static Task Until(Func<bool> condition, string what) => UntilAsync(() => Task.FromResult(condition()), what);

    /// <summary>Until the condition holds; the limit is a failure, not a wait anyone should see.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        for (int look = 0; look < Looks; look++)
        {
            if (await condition()) return;
            await Task.Delay(10);
        }
        throw new TimeoutException($"never came true: {what}");
    }
}
