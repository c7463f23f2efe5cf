namespace DataLayer.Cache.Tests;

internal static class Wait
{
    /// <summary>Until the condition holds; 30 s is a failure, not a wait anyone should see.</summary>
    public static async Task Until(Func<bool> condition, string what)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        while (!condition())
        {
            if (limit.IsCancellationRequested) throw new TimeoutException($"never came true: {what}");
            await Task.Delay(2, CancellationToken.None);
        }
    }
}
